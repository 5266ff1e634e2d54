#pragma once

#include "kernels/common/warp.h"

// Teams of threads that work on one thing together: `rank` of `size`, each doing items rank,
// rank + size, ..., and then combining what they found. A kernel body written for a team serves as
// thread-per-row, warp-per-row and block-per-row. Combining is a tree of fixed shape: the same bits
// every run. All threads of a team must call `combine` together.

namespace switchyard::kernels {

/// Returns what the lane at `distance` (bitwise) holds. Types of several fields overload it.
__device__ __forceinline__ float from_lane(float value, int distance) {
  return __shfl_xor_sync(kFullWarp, value, distance);
}
__device__ __forceinline__ double from_lane(double value, int distance) {
  return __shfl_xor_sync(kFullWarp, value, distance);
}

struct Plus {
  __device__ double operator()(double a, double b) const { return a + b; }
};

struct OneThread {
  __device__ int rank() const { return 0; }
  __device__ int size() const { return 1; }
  template <class Value, class Merge>
  __device__ Value combine(const Value& mine, Merge) const {
    return mine;
  }
};

/// 32 lanes; 5 shuffles of the value, no barrier.
struct OneWarp {
  __device__ int rank() const { return static_cast<int>(threadIdx.x) % kWarp; }
  __device__ int size() const { return kWarp; }
  template <class Value, class Merge>
  __device__ Value combine(Value mine, Merge merge) const {
    for (int distance = kWarp / 2; distance > 0; distance /= 2) {
      mine = merge(mine, from_lane(mine, distance));
    }
    return mine;
  }
};

/// A block of kThreads; the warps' values go through shared memory, two barriers.
template <int kThreads>
struct OneBlock {
  static constexpr int kWarps = kThreads / kWarp;

  __device__ int rank() const { return static_cast<int>(threadIdx.x); }
  __device__ int size() const { return kThreads; }
  template <class Value, class Merge>
  __device__ Value combine(const Value& mine, Merge merge) const {
    __shared__ Value parts[kWarps];
    const Value warp = OneWarp{}.combine(mine, merge);
    if (threadIdx.x % kWarp == 0) parts[threadIdx.x / kWarp] = warp;
    __syncthreads();
    Value all = parts[0];
    for (int w = 1; w < kWarps; ++w) all = merge(all, parts[w]);
    __syncthreads();  // nobody writes `parts` again before everybody has read it
    return all;
  }
};

}  // namespace switchyard::kernels
