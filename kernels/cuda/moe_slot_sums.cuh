#pragma once

#include "kernels/common/launch.h"
#include "kernels/common/widen.h"
#include "kernels/cuda/gathered_rows.cuh"
#include "kernels/cuda/team.cuh"

// The sums that end the way back through a token MoE layer: the biases' gradients over the slots of
// an expert, and the weights' over the parts of an inner product.

namespace switchyard::kernels {

/// The gradient of one bias: sums of rows over each expert's segment.
template <class T>
struct BiasGrad {
  const T* rows;  // [S, cols], or [tokens, cols] if `weights` is not null
  /// [tokens, k] or null: each slot reads its token's row, times its weight
  const ResultOf<T>* weights;
  T* sums;  // [experts, cols] or null: not wanted
  int cols;
};

inline constexpr int kSlotSumThreads = 256;
inline constexpr int kSlotSumWarps = kSlotSumThreads / kWarp;

// moe_bias_grads_block_per_strip
//   1. a block takes 32 columns of one of the two biases of an expert, a lane each; its 8 warps
//      take every eighth slot;
//   2. the warps' sums meet in shared memory, and the first warp adds them in order.
// Reads gu [S, H'] and gy [tokens, C], the latter through the permutation: 4 S (H' + C) bytes
// (float32). A weighed copy of gy's rows would move 8 S C more, in two kernels more.
template <class T>
__global__ void __launch_bounds__(kSlotSumThreads)
    moe_bias_grads_block_per_strip(const std::int64_t* offsets, SlotTokens tokens, BiasGrad<T> in,
                                   BiasGrad<T> out, int strips_in, int strips) {
  __shared__ double sums[kSlotSumWarps][kWarp];
  const auto lane = static_cast<int>(threadIdx.x) % kWarp;
  const auto warp = static_cast<int>(threadIdx.x) / kWarp;
  const int expert = static_cast<int>(blockIdx.x) / strips;
  const int strip = static_cast<int>(blockIdx.x) % strips;
  const BiasGrad<T> p = strip < strips_in ? in : out;
  const int col = (strip < strips_in ? strip : strip - strips_in) * kWarp + lane;
  const auto begin = static_cast<int>(offsets[expert]);
  const auto end = static_cast<int>(offsets[expert + 1]);
  double sum = 0.0;
  for (int slot = begin + warp; slot < end && col < p.cols; slot += kSlotSumWarps) {
    if (p.weights == nullptr) {
      sum += double{widen(p.rows[slot * std::int64_t{p.cols} + col])};
    } else {
      const int assignment = tokens.assignment(slot);
      sum += double{p.weights[assignment]} *
             double{widen(p.rows[tokens.k.quotient(assignment) * std::int64_t{p.cols} + col])};
    }
  }
  sums[warp][lane] = sum;
  __syncthreads();
  if (warp > 0 || col >= p.cols) return;
  for (int w = 1; w < kSlotSumWarps; ++w) sum += sums[w][lane];
  p.sums[std::int64_t{expert} * p.cols + col] = convert_element<T>(sum);
}

/// The operands of the weights' gradient.
template <class T>
struct WeightGrad {
  const std::int64_t* indices;  // [tokens, k]
  const std::int64_t* inverse;  // [tokens, k], -1 where dropped
  const ResultOf<T>* dots;      // [S, parts]
  const T* gy;                  // [tokens, out]
  const T* bias;                // [experts, out] or null
  ResultOf<T>* gweights;        // [tokens, k]
  std::int64_t assignments;
  Divider k;
  int parts, out;
};

// moe_weight_grad_warp_per_choice
//   1. a warp takes one assignment; its lanes add up the parts of its slot's inner product <g, h>,
//      and where there is a bias the products of the token's row of gy with the expert's bias;
//   2. 5 shuffles put the lanes' sums together, and the first lane writes the gradient: 0 where the
//      assignment was dropped.
// The dropped ones need no kernel that fills with zeros, and the biases no product of all tokens
// with all experts. The k warps of a token lie beside each other and share its gy in the cache.
template <class T>
__global__ void __launch_bounds__(kSlotSumThreads)
    moe_weight_grad_warp_per_choice(WeightGrad<T> p) {
  const std::int64_t warp = std::int64_t{blockIdx.x} * kSlotSumWarps + threadIdx.x / kWarp;
  if (warp >= p.assignments) return;  // the whole warp
  const auto assignment = static_cast<int>(warp);
  const auto lane = static_cast<int>(threadIdx.x) % kWarp;
  const std::int64_t slot = p.inverse[assignment];
  double sum = 0.0;
  if (slot >= 0) {
    for (int part = lane; part < p.parts; part += kWarp) {
      sum += double{p.dots[slot * p.parts + part]};
    }
    const T* const gy = p.gy + std::int64_t{p.k.quotient(assignment)} * p.out;
    const T* const bias = p.bias == nullptr ? nullptr : p.bias + p.indices[assignment] * p.out;
    for (int c = lane; bias != nullptr && c < p.out; c += kWarp) {
      sum += double{widen(gy[c])} * double{widen(bias[c])};
    }
  }
  sum = warp_sum(sum);
  if (lane == 0) p.gweights[assignment] = static_cast<ResultOf<T>>(sum);
}

// ---- launchers

/// Errors: Refusal naming `name` for more blocks than a grid has.
template <class T>
void launch_bias_grads(KernelExecutor& exec, const char* name, const std::int64_t* offsets,
                       int experts, const SlotTokens& tokens, const BiasGrad<T>& in,
                       const BiasGrad<T>& out) {
  const auto strips = [](const BiasGrad<T>& one) {
    return one.sums == nullptr ? 0 : static_cast<int>(tiles_along(one.cols, kWarp));
  };
  const int all = strips(in) + strips(out);
  launch(exec, name, moe_bias_grads_block_per_strip<T>, Line{{experts, all}, kSlotSumThreads},
         offsets, tokens, in, out, strips(in), all);
}

template <class T>
void launch_weights_grad(KernelExecutor& exec, const char* name, const WeightGrad<T>& p) {
  launch(exec, name, moe_weight_grad_warp_per_choice<T>,
         Line{{tiles_along(p.assignments, kSlotSumWarps)}, kSlotSumThreads}, p);
}

}  // namespace switchyard::kernels
