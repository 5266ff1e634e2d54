#pragma once

#include "kernels/common/cuda.h"

// These are building blocks of one warp. All 32 lanes must call them together.

namespace switchyard::kernels {

inline constexpr unsigned kFullWarp = 0xFFFFFFFFU;
inline constexpr int kWarp = 32;

/// Returns the sum over the warp, in the same order on every executor; every lane gets it. 5
/// shuffles. With kLanes, a power of two, the sums over each kLanes neighbouring lanes.
template <int kLanes = kWarp, class T>
__device__ __forceinline__ T warp_sum(T value) {
  for (int distance = kLanes / 2; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(kFullWarp, value, distance);
  }
  return value;
}

/// Returns the maximum over the warp; every lane gets it. NaN wins.
template <class T>
__device__ __forceinline__ T warp_max(T value) {
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    const T other = __shfl_xor_sync(kFullWarp, value, distance);
    value = (other > value || other != other) ? other : value;
  }
  return value;
}

/// Sum of the values of this lane and those below it. 5 shuffles.
template <class T>
__device__ __forceinline__ T warp_inclusive_sum(T value) {
  const auto lane = static_cast<int>(threadIdx.x) % kWarp;
  for (int distance = 1; distance < kWarp; distance *= 2) {
    const T below = __shfl_up_sync(kFullWarp, value, static_cast<unsigned>(distance));
    if (lane >= distance) value += below;
  }
  return value;
}

}  // namespace switchyard::kernels
