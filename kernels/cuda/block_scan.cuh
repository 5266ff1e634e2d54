#pragma once

#include "kernels/common/warp.h"

namespace switchyard::kernels {

/// Holds what a thread gets from a prefix sum over its block.
template <class T>
struct BlockScan {
  T before;  ///< sum of the lower threads' values
  T total;   ///< sum of all threads' values
};

/// Prefix sum over a block of kThreads (a multiple of 32, at most 1024): 5 shuffles in each warp,
/// then every thread adds up the sums of the warps below. All threads must call it; it begins with
/// a barrier, so calls may follow each other.
template <int kThreads, class T>
__device__ __forceinline__ BlockScan<T> block_scan(T value) {
  constexpr int kWarps = kThreads / kWarp;
  __shared__ T warp_total[kWarps];
  const auto lane = static_cast<int>(threadIdx.x) % kWarp;
  const auto warp = static_cast<int>(threadIdx.x) / kWarp;
  const T inclusive = warp_inclusive_sum(value);
  __syncthreads();  // warp_total may still be read by a call before
  if (lane == kWarp - 1) warp_total[warp] = inclusive;
  __syncthreads();
  BlockScan<T> result{inclusive - value, T{0}};
  SWITCHYARD_UNROLL
  for (int w = 0; w < kWarps; ++w) {
    if (w < warp) result.before += warp_total[w];
    result.total += warp_total[w];
  }
  return result;
}

}  // namespace switchyard::kernels
