#pragma once

#include "kernels/common/expert_activation.h"

namespace switchyard::kernels {

// The second order of one hidden unit of an expert, from the same source for every executor.

/// A unit h, its derivative dh along a direction, and of them, for a cotangent c of h and one g of
/// dh, the cotangents of the pre-activations and of their derivatives along the direction.
template <class T>
struct UnitTangent {
  T h{0}, dh{0};
  T gu{0}, gsecond{0};    // of u and `second`: c h' + g (dh)'
  T gdu{0}, gdsecond{0};  // of du and `dsecond`: g h'
};

template <class T>
SWITCHYARD_HOST_DEVICE UnitTangent<T> unit_tangent(const ReluExpert& /*unit*/, T c, T g, T u,
                                                   T /*second*/, T du, T /*dsecond*/) {
  const bool on = u > T{0};
  return {.h = Relu{}(u), .dh = on ? du : T{0}, .gu = on ? c : T{0}, .gdu = on ? g : T{0}};
}

/// (u Φ(u))'' = φ(u) (2 - u²).
template <class T>
SWITCHYARD_HOST_DEVICE UnitTangent<T> unit_tangent(const GeluExpert& /*unit*/, T c, T g, T u,
                                                   T /*second*/, T du, T /*dsecond*/) {
  constexpr double kInverseSqrtTwoPi = 0.39894228040143267794;
  const T bounded = Clamp{-64.0, 64.0}(u);
  const T density = static_cast<T>(kInverseSqrtTwoPi) * Gaussian{0.5}(u);
  const T distribution = NormalCdf{}(u);
  const T slope = distribution + bounded * density;
  return {.h = (u < T{-64} ? T{-64} : u) * distribution,
          .dh = slope * du,
          .gu = c * slope + g * du * (density * (T{2} - bounded * bounded)),
          .gdu = g * slope};
}

/// silu'' = 2 σ' + u σ'', σ'' = σ' (1 - 2 σ).
template <class T>
SWITCHYARD_HOST_DEVICE UnitTangent<T> unit_tangent(const SwiGluExpert& /*unit*/, T c, T g, T u,
                                                   T second, T du, T dsecond) {
  const T bounded = Clamp{-2000.0, 2000.0}(u);
  const T sigmoid = Sigmoid{}(u);
  const T sigmoid_slope = SigmoidGrad{}(u);
  const T silu = Silu{}(u);
  const T slope = sigmoid + bounded * sigmoid_slope;
  const T bend = sigmoid_slope * (T{2} + bounded * (T{1} - T{2} * sigmoid));
  return {.h = silu * second,
          .dh = slope * du * second + silu * dsecond,
          .gu = c * slope * second + g * (bend * du * second + slope * dsecond),
          .gsecond = c * silu + g * slope * du,
          .gdu = g * slope * second,
          .gdsecond = g * silu};
}

}  // namespace switchyard::kernels
