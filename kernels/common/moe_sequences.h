#pragma once

#include "kernels/api/moe.h"

// The rungs of the MoE layer that are sequences of other kernels, for every executor: a loop over
// experts with masks, a product per expert over sorted rows, and grouped products. What they move
// through memory between their kernels is what the fused rungs save.

namespace switchyard::kernels {

template <class Exec, class T>
struct MoeSequences {
  static void forward_mask_loop(Exec& exec, const MoeForward<T>& a);
  static void forward_sorted_loop(Exec& exec, const MoeForward<T>& a);
  static void forward_grouped(Exec& exec, const MoeForward<T>& a);
  static void backward_mask_loop(Exec& exec, const MoeBackward<T>& a);
  static void backward_sorted_loop(Exec& exec, const MoeBackward<T>& a);
  static void backward_grouped(Exec& exec, const MoeBackward<T>& a);

  template <class Op>
  static bool nothing_dropped(const Op& a) {
    return a.shape.slots == a.shape.tokens * a.shape.k;
  }

  static constexpr Rung<Exec, MoeForward<T>> kForwardMaskLoop = {
      .name = "moe_forward_mask_loop",
      .run = forward_mask_loop,
      .takes = {"no dropped assignment", nothing_dropped<MoeForward<T>>}};
  static constexpr Rung<Exec, MoeForward<T>> kForwardSortedLoop = {
      .name = "moe_forward_sorted_loop", .run = forward_sorted_loop};
  static constexpr Rung<Exec, MoeForward<T>> kForwardGrouped = {.name = "moe_forward_grouped",
                                                                .run = forward_grouped};
  static constexpr Rung<Exec, MoeBackward<T>> kBackwardMaskLoop = {
      .name = "moe_backward_mask_loop",
      .run = backward_mask_loop,
      .takes = {"no dropped assignment", nothing_dropped<MoeBackward<T>>}};
  static constexpr Rung<Exec, MoeBackward<T>> kBackwardSortedLoop = {
      .name = "moe_backward_sorted_loop", .run = backward_sorted_loop};
  static constexpr Rung<Exec, MoeBackward<T>> kBackwardGrouped = {.name = "moe_backward_grouped",
                                                                  .run = backward_grouped};
};

}  // namespace switchyard::kernels
