#pragma once

#include <cmath>
#include <string_view>

#include "kernels/common/host_device.h"
#include "kernels/common/type_list.h"

// Each functor computes one element of an elementwise operation, from the same source for every
// executor. A functor is a value: Affine carries its two scalars. NaN gives NaN, and infinities
// give the limit.

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

/// x / divisor. The divisor is rounded to the element type first; a count is exact in it up to 2²⁴
/// (float32). A product with its reciprocal would be rounded twice: 1/49 of 49 is not 1.
struct Quotient {
  static constexpr std::string_view kName = "quotient";
  double divisor = 1.0;
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    return x / static_cast<T>(divisor);
  }
};

/// x, but at least `low` and at most `high`, both rounded to the element type.
struct Clamp {
  static constexpr std::string_view kName = "clamp";
  double low = 0.0;
  double high = 1.0;
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    const T least = static_cast<T>(low);
    const T most = static_cast<T>(high);
    return x < least ? least : (x > most ? most : x);
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

/// σ(x) = 1 / (1 + e^-x), out of e^-|x|: nothing overflows and small results keep their digits.
struct Sigmoid {
  static constexpr std::string_view kName = "sigmoid";
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    const T e = std::exp(-std::abs(x));
    return (x < T{0} ? e : T{1}) / (T{1} + e);
  }
};

/// σ'(x) = σ(x) σ(-x) = e / (1 + e)² with e = e^-|x|. The difference 1 - σ(x) is never formed: it
/// is 0 beyond x = 17 in float32 and 37 in float64.
struct SigmoidGrad {
  static constexpr std::string_view kName = "sigmoid_grad";
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    const T e = std::exp(-std::abs(x));
    return e / ((T{1} + e) * (T{1} + e));
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

/// e^(-rate·x²); `rate` is a power of two, at least 1/2. The rounding error of x², which the
/// exponential multiplies by rate·x², is known exactly and put right to first order.
struct Gaussian {
  static constexpr std::string_view kName = "gaussian";
  double rate = 0.5;
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    const T bounded = Clamp{-64.0, 64.0}(x);  // the result is 0 at both ends
    const T square = bounded * bounded;
    const T rest = std::fma(bounded, bounded, -square);
    const T e = std::exp(-static_cast<T>(rate) * square);
    return e - e * (static_cast<T>(rate) * rest);
  }
};

/// Φ(x) = erfc(-x/√2) / 2, the standard normal distribution function, which keeps its digits where
/// it is small. There the rounding error d of z = -x/√2 counts x² times over; it is put right to
/// first order, with (log erfc)'(z) = -(z + √(z² + 3/2)) up to a tenth.
struct NormalCdf {
  static constexpr std::string_view kName = "normal_cdf";
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    constexpr double kSqrtHalf = 0.70710678118654752440;
    constexpr T kHigh = static_cast<T>(kSqrtHalf);
    constexpr T kLow = static_cast<T>(kSqrtHalf - double{kHigh} - 4.8336466567264567e-17);
    const T bounded = Clamp{-64.0, 64.0}(x);  // the result is 0 or 1 at the ends
    const T z = -bounded * kHigh;
    const T d = std::fma(-bounded, kHigh, -z) - bounded * kLow;
    const T value = T{0.5} * std::erfc(z);
    const T slope = z > T{0} ? z + std::sqrt(z * z + T{1.5}) : T{0};
    return value - value * (d * slope);
  }
};

/// x Φ(x); 0 at -∞.
struct Gelu {
  static constexpr std::string_view kName = "gelu";
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    return (x < T{-64} ? T{-64} : x) * NormalCdf{}(x);
  }
};

/// x σ(x); 0 at -∞. With h = e^(-|x|/2), of which no square is formed alone where x < 0: results of
/// normal size come out of numbers of normal size.
struct Silu {
  static constexpr std::string_view kName = "silu";
  template <class T>
  SWITCHYARD_HOST_DEVICE T operator()(T x) const {
    const T h = std::exp(T{-0.5} * std::abs(x));
    const T bounded = x < T{-2000} ? T{-2000} : x;
    return (x < T{0} ? bounded * h * h : bounded) / (T{1} + h * h);
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

/// Lists every functor above, of one operand and of two.
using UnaryFunctors =
    TypeList<Affine, Quotient, Clamp, Exp, Log, Sqrt, Square, Reciprocal, Tanh, Erf, Sigmoid,
             SigmoidGrad, Softplus, Relu, Gaussian, NormalCdf, Gelu, Silu>;
using BinaryFunctors = TypeList<Add, Sub, Mul, Div, ReluGrad, First>;

}  // namespace switchyard::kernels
