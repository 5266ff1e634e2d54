#pragma once

#include "kernels/api/moe.h"
#include "kernels/common/host_device.h"
#include "kernels/common/scalar_ops.h"

namespace switchyard::kernels {

// One hidden unit of an expert and its derivative, from the same source for every executor. A
// functor's kInputs pre-activations make one unit; `second` means nothing where there is one.

struct ReluExpert {
  static constexpr int kInputs = 1;
  template <class T>
  SWITCHYARD_HOST_DEVICE T unit(T u, T /*second*/) const {
    return Relu{}(u);
  }
  /// Writes the cotangents of u and `second` for the cotangent g of the unit.
  template <class T>
  SWITCHYARD_HOST_DEVICE void grad(T g, T u, T /*second*/, T& gu, T& /*gsecond*/) const {
    gu = u > T{0} ? g : T{0};
  }
};

struct GeluExpert {
  static constexpr int kInputs = 1;
  template <class T>
  SWITCHYARD_HOST_DEVICE T unit(T u, T /*second*/) const {
    return Gelu{}(u);
  }
  /// (u Φ(u))' = Φ(u) + u φ(u).
  template <class T>
  SWITCHYARD_HOST_DEVICE void grad(T g, T u, T /*second*/, T& gu, T& /*gsecond*/) const {
    constexpr double kInverseSqrtTwoPi = 0.39894228040143267794;
    const T density = static_cast<T>(kInverseSqrtTwoPi) * Gaussian{0.5}(u);
    gu = g * (NormalCdf{}(u) + Clamp{-64.0, 64.0}(u)*density);
  }
};

struct SwiGluExpert {
  static constexpr int kInputs = 2;
  template <class T>
  SWITCHYARD_HOST_DEVICE T unit(T u, T second) const {
    return Silu{}(u)*second;
  }
  /// (u σ(u))' = σ(u) + u σ'(u).
  template <class T>
  SWITCHYARD_HOST_DEVICE void grad(T g, T u, T second, T& gu, T& gsecond) const {
    gu = g * second * (Sigmoid{}(u) + Clamp{-2000.0, 2000.0}(u)*SigmoidGrad{}(u));
    gsecond = g * Silu{}(u);
  }
};

/// Calls f(functor) with the functor of `activation`.
template <class F>
void with_activation(ExpertActivation activation, const F& f) {
  switch (activation) {
    case ExpertActivation::kRelu:
      return f(ReluExpert{});
    case ExpertActivation::kGelu:
      return f(GeluExpert{});
    case ExpertActivation::kSwiGlu:
      return f(SwiGluExpert{});
  }
}

}  // namespace switchyard::kernels
