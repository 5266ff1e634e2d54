#pragma once

#include <cmath>

#include "kernels/common/host_device.h"

// What one element of an elementwise operation computes, the same source for every executor. A
// functor is a value: Affine carries its two scalars. NaN in, NaN out.

namespace switchyard::kernels {

/// scale · x + shift. The scalars are rounded to the element type first.
struct Affine {
  double scale = 1.0;
  double shift = 0.0;
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    return static_cast<T>(scale) * x + static_cast<T>(shift);
  }
};

struct Exp {
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    return std::exp(x);
  }
};

struct Log {
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    return std::log(x);
  }
};

struct Sqrt {
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    return std::sqrt(x);
  }
};

struct Square {
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    return x * x;
  }
};

struct Reciprocal {
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    return T{1} / x;
  }
};

struct Tanh {
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    return std::tanh(x);
  }
};

struct Erf {
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    return std::erf(x);
  }
};

struct Sigmoid {
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    return T{1} / (T{1} + std::exp(-x));
  }
};

/// log(1 + eˣ) = max(x, 0) + log(1 + e^-|x|): nothing overflows and small results keep their
/// digits.
struct Softplus {
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    return (x > T{0} ? x : T{0}) + std::log1p(std::exp(-std::abs(x)));
  }
};

/// Written so that a NaN, which compares false, falls through to x.
struct Relu {
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    return x <= T{0} ? T{0} : x;
  }
};

/// x Φ(x) with Φ(x) = erfc(-x/√2) / 2, which keeps its digits where Φ is small.
struct Gelu {
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    constexpr T kSqrtHalf = static_cast<T>(0.70710678118654752440);
    return x * (T{0.5} * std::erfc(-x * kSqrtHalf));
  }
};

struct Silu {
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    return x / (T{1} + std::exp(-x));
  }
};

struct Add {
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T a, T b) const {
    return a + b;
  }
};

struct Sub {
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T a, T b) const {
    return a - b;
  }
};

struct Mul {
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T a, T b) const {
    return a * b;
  }
};

struct Div {
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T a, T b) const {
    return a / b;
  }
};

/// gy where y > 0, else 0.
struct ReluGrad {
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T gy, T y) const {
    return y > T{0} ? gy : T{0};
  }
};

/// The first argument: a broadcast copy.
struct First {
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T a, T /*b*/) const {
    return a;
  }
};

}  // namespace switchyard::kernels

// Every functor above, for the executors' entry points: X(Op) once per operation.
#define SWITCHYARD_UNARY_OPS(X) \
  X(Affine)                     \
  X(Exp)                        \
  X(Log)                        \
  X(Sqrt)                       \
  X(Square)                     \
  X(Reciprocal)                 \
  X(Tanh)                       \
  X(Erf)                        \
  X(Sigmoid)                    \
  X(Softplus)                   \
  X(Relu)                       \
  X(Gelu)                       \
  X(Silu)

#define SWITCHYARD_BINARY_OPS(X) X(Add) X(Sub) X(Mul) X(Div) X(ReluGrad) X(First)
