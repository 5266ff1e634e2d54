#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/common/launch.h"
#include "kernels/common/workspace.h"

// A product with few outputs and a long sum has too few tiles to fill a GPU, and a float32 sum of
// so many terms loses digits. Both are cured by cutting the sum into parts that blocks compute side
// by side into memory of their own, added afterwards in a fixed order: no atomics, the same bits
// every run.

namespace switchyard::kernels {

/// Says how a sum over `depth` is cut: into `count` parts of `length`, the last one shorter.
struct Split {
  int count = 1;
  int length = 0;
};

/// A function of the sizes alone. Enough parts that about 256 tiles run at once and that none is
/// longer than 16384, but none shorter than 512, and at most 64 Mi values of parts. Never more than
/// a grid's second extent takes.
inline Split split_sum(std::int64_t outputs, std::int64_t tiles, int depth) {
  constexpr std::int64_t kTilesWanted = 256, kLongest = 16384, kShortest = 512;
  constexpr std::int64_t kValues = std::int64_t{1} << 26, kMostParts = 65535;
  constexpr int kStep = 64;  // a multiple of every tile's step in depth
  const std::int64_t wanted =
      std::max(kTilesWanted / std::max<std::int64_t>(tiles, 1), (depth + kLongest - 1) / kLongest);
  const std::int64_t most =
      std::max<std::int64_t>(std::min({(depth + kShortest - 1) / kShortest,
                                       kValues / std::max<std::int64_t>(outputs, 1), kMostParts}),
                             1);
  const std::int64_t parts = std::clamp<std::int64_t>(wanted, 1, most);
  const std::int64_t length = ((depth + parts - 1) / parts + kStep - 1) / kStep * kStep;
  if (parts == 1 || length == 0) return {1, depth};
  return {static_cast<int>((depth + length - 1) / length), static_cast<int>(length)};
}

/// sum_parts_thread_per_output
//   1. each thread adds one output's parts, the first part first.
// parts [count, outputs], y [outputs]. Reads 4 · count and writes 4 bytes an output (float32).
template <class T>
__global__ void sum_parts_thread_per_output(std::int64_t outputs, int count,
                                            const T* __restrict__ parts, T* __restrict__ y) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= outputs) return;
  T sum = parts[i];
  for (int s = 1; s < count; ++s) sum += parts[s * outputs + i];
  y[i] = sum;
}

template <class T>
void sum_parts(KernelExecutor& exec, std::int64_t outputs, int count, const T* parts, T* y) {
  constexpr int kThreads = 256;
  launch(exec, "sum_parts_thread_per_output", sum_parts_thread_per_output<T>,
         Line{{tiles_along(outputs, kThreads)}, kThreads}, outputs, count, parts, y);
}

/// Calls run(to), which writes split.count results of `outputs` values to `to`, one behind the
/// other, and leaves their sum in y.
template <class T, class Run>
void run_in_parts(KernelExecutor& exec, std::int64_t outputs, const Split& split, T* y,
                  const Run& run) {
  if (split.count == 1 || outputs == 0) return run(y);
  const Workspace<T> parts(exec, split.count * outputs);
  run(parts.data());
  sum_parts(exec, outputs, split.count, parts.data(), y);
}

}  // namespace switchyard::kernels
