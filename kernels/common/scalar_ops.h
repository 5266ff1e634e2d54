#pragma once

#include <cmath>
#include <string_view>

#include "kernels/common/host_device.h"
#include "kernels/common/type_list.h"

// What one element of an elementwise operation computes, the same source for every executor. A
// functor is a value: Affine carries its two scalars. NaN in, NaN out.

namespace switchyard::kernels {

/// scale · x + shift. The scalars are rounded to the element type first.
struct Affine {
  static constexpr std::string_view kName = "affine";
  double scale = 1.0;
  double shift = 0.0;
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    return static_cast<T>(scale) * x + static_cast<T>(shift);
  }
};

struct Exp {
  static constexpr std::string_view kName = "exp";
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    return std::exp(x);
  }
};

struct Log {
  static constexpr std::string_view kName = "log";
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    return std::log(x);
  }
};

struct Sqrt {
  static constexpr std::string_view kName = "sqrt";
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    return std::sqrt(x);
  }
};

struct Square {
  static constexpr std::string_view kName = "square";
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    return x * x;
  }
};

struct Reciprocal {
  static constexpr std::string_view kName = "reciprocal";
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    return T{1} / x;
  }
};

struct Tanh {
  static constexpr std::string_view kName = "tanh";
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    return std::tanh(x);
  }
};

struct Erf {
  static constexpr std::string_view kName = "erf";
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    return std::erf(x);
  }
};

struct Sigmoid {
  static constexpr std::string_view kName = "sigmoid";
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    return T{1} / (T{1} + std::exp(-x));
  }
};

/// log(1 + eˣ) = max(x, 0) + log(1 + e^-|x|): nothing overflows and small results keep their
/// digits.
struct Softplus {
  static constexpr std::string_view kName = "softplus";
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    return (x > T{0} ? x : T{0}) + std::log1p(std::exp(-std::abs(x)));
  }
};

/// Written so that a NaN, which compares false, falls through to x.
struct Relu {
  static constexpr std::string_view kName = "relu";
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    return x <= T{0} ? T{0} : x;
  }
};

/// x Φ(x) with Φ(x) = erfc(-x/√2) / 2, which keeps its digits where Φ is small.
struct Gelu {
  static constexpr std::string_view kName = "gelu";
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    constexpr T kSqrtHalf = static_cast<T>(0.70710678118654752440);
    return x * (T{0.5} * std::erfc(-x * kSqrtHalf));
  }
};

struct Silu {
  static constexpr std::string_view kName = "silu";
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    return x / (T{1} + std::exp(-x));
  }
};

struct Add {
  static constexpr std::string_view kName = "add";
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T a, T b) const {
    return a + b;
  }
};

struct Sub {
  static constexpr std::string_view kName = "sub";
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T a, T b) const {
    return a - b;
  }
};

struct Mul {
  static constexpr std::string_view kName = "mul";
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T a, T b) const {
    return a * b;
  }
};

struct Div {
  static constexpr std::string_view kName = "div";
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T a, T b) const {
    return a / b;
  }
};

/// gy where y > 0, else 0.
struct ReluGrad {
  static constexpr std::string_view kName = "relu_grad";
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T gy, T y) const {
    return y > T{0} ? gy : T{0};
  }
};

/// The first argument: a broadcast copy.
struct First {
  static constexpr std::string_view kName = "first";
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T a, T /*b*/) const {
    return a;
  }
};

/// Every functor above, of one operand and of two.
using UnaryFunctors = TypeList<Affine, Exp, Log, Sqrt, Square, Reciprocal, Tanh, Erf, Sigmoid,
                               Softplus, Relu, Gelu, Silu>;
using BinaryFunctors = TypeList<Add, Sub, Mul, Div, ReluGrad, First>;

}  // namespace switchyard::kernels
