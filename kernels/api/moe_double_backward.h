#pragma once

#include <algorithm>
#include <initializer_list>

#include "kernels/api/moe.h"

// The second order of the token MoE layer (moe.h), from the slots' pre-activations to what flows
// into every operand, in one call. T = float and double.

namespace switchyard::kernels {

/// A direction in the space of what MoeForward reads: the cotangents of MoeBackward's results, each
/// null for zeros.
template <class T>
struct MoeDirection {
  const T* x = nullptr;        ///< [T, D]
  const T* weights = nullptr;  ///< [T, k]
  MoeWeights<T> experts = {};  ///< any of them null
};

/// The way back through MoeBackward: gradients of <direction, (gx, gweights, gw_in, gb_in, gw_out,
/// gb_out)> with respect to everything that MoeBackward reads but the routing. That inner product
/// is <gy, dy>, dy being the derivative of y along the direction, so that per slot, with v for the
/// direction's parts and w for the slot's weight,
///
///   du = W_in v_x + V_in x + v_b_in     g = W_outᵀ gy     dg = V_outᵀ gy     J = activation'(u)
///   dh = J du                           p = w dh + v_w h  (the left factor of W_out's gradient)
///   gu = w Jᵀ g                         (the cotangent of du)
///   gu2 = Jᵀ (v_w g + w dg) + w ∂<g, J du>/∂u
///
///   ggy += W_out p + w (V_out h + v_b_out) + v_w b_out      gx += W_inᵀ gu2 + V_inᵀ gu
///   gweights = <g, dh> + <dg, h> + <gy, v_b_out>
///   gw_in += gu2 xᵀ + gu v_xᵀ    gb_in += gu2    gw_out += gy pᵀ    gb_out += v_w gy
///
/// A null result is not wanted.
template <class T>
struct MoeDoubleBackward {
  static constexpr std::string_view kName = "moe_double_backward";
  MoeShape shape;
  MoeRoutes routes;
  MoeWeights<T> experts;
  const T* x = nullptr;        ///< [T, D]
  const T* weights = nullptr;  ///< [T, k]
  const T* u = nullptr;        ///< [S, H'] as MoeForward left it, or null: computed again
  const T* gy = nullptr;       ///< [T, C]
  MoeDirection<T> direction;
  T* ggy = nullptr;       ///< [T, C]
  T* gx = nullptr;        ///< [T, D]
  T* gweights = nullptr;  ///< [T, k]; 0 where dropped
  T* gw_in = nullptr;     ///< [E, H', D]; 0 for an expert without tokens, so below
  T* gb_in = nullptr;     ///< [E, H']
  T* gw_out = nullptr;    ///< [E, C, H]
  T* gb_out = nullptr;    ///< [E, C]

  /// Multiplications and additions of the products that the call cannot avoid: with everything
  /// wanted and given five of S · C · H and six of S · D · H', where a gradient takes two of each.
  double flops() const {
    const MoeShape& s = shape;
    const MoeWeights<T>& v = direction.experts;
    const auto count = [](std::initializer_list<bool> products) {
      return static_cast<double>(std::count(products.begin(), products.end(), true));
    };
    const double in = count({u == nullptr, direction.x != nullptr, v.w_in != nullptr, gx != nullptr,
                             gx != nullptr && v.w_in != nullptr, gw_in != nullptr,
                             gw_in != nullptr && direction.x != nullptr});
    const double out = count({true, v.w_out != nullptr, ggy != nullptr,
                              ggy != nullptr && v.w_out != nullptr, gw_out != nullptr});
    return 2.0 * static_cast<double>(s.slots) *
           (in * static_cast<double>(s.width * s.wide()) +
            out * static_cast<double>(s.hidden * s.out));
  }
  Work work() const {
    const MoeShape& s = shape;
    const MoeWeights<T>& v = direction.experts;
    const auto numbers = [](std::int64_t count, std::initializer_list<const T*> arrays) {
      return count * static_cast<std::int64_t>(arrays.size() -
                                               std::count(arrays.begin(), arrays.end(), nullptr));
    };
    const std::int64_t all =
        numbers(s.tokens * s.width, {x, direction.x, gx}) + numbers(s.tokens * s.out, {gy, ggy}) +
        numbers(s.tokens * s.k, {weights, direction.weights, gweights}) +
        numbers(s.slots * s.wide(), {u}) +
        numbers(s.experts * s.wide() * s.width, {experts.w_in, v.w_in, gw_in}) +
        numbers(s.experts * s.wide(), {experts.b_in, v.b_in, gb_in}) +
        numbers(s.experts * s.out * s.hidden, {experts.w_out, v.w_out, gw_out}) +
        numbers(s.experts * s.out, {experts.b_out, v.b_out, gb_out});
    return {.bytes = bytes_of<T>(all) + bytes_of<std::int64_t>(s.slots + s.experts + 1),
            .flops = flops()};
  }
};

}  // namespace switchyard::kernels
