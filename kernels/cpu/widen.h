#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/common/bfloat16.h"
#include "kernels/cpu/parallel.h"

namespace switchyard::kernels {

inline constexpr std::int64_t kWidenGrain = 65536;  // elements that are worth a thread

/// A copy of `count` elements in float32, which is exact, made on all threads.
inline std::vector<float> widened(const BFloat16* from, std::int64_t count) {
  std::vector<float> to(static_cast<std::size_t>(count));
  parallel_for(count, kWidenGrain, [from, &to](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      to[static_cast<std::size_t>(i)] = static_cast<float>(from[i]);
    }
  });
  return to;
}

/// to[i] = from[i], rounded to nearest, on all threads.
inline void round_to_bfloat16(const float* from, std::int64_t count, BFloat16* to) {
  parallel_for(count, kWidenGrain, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) to[i] = BFloat16(from[i]);
  });
}

}  // namespace switchyard::kernels
