#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/common/bfloat16.h"
#include "kernels/cpu/parallel.h"

namespace switchyard::kernels {

inline constexpr std::int64_t kWidenGrain = 65536;  // elements that are worth a thread

/// to[i] = from[i] in float32, which is exact.
inline void widen_row(const BFloat16* from, std::int64_t count, float* to) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = static_cast<float>(from[i]);
}

/// to[i] = from[i], rounded to nearest.
inline void round_row(const float* from, std::int64_t count, BFloat16* to) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = BFloat16(from[i]);
}

/// A copy of `count` elements in float32, made on all threads.
inline std::vector<float> widened(const BFloat16* from, std::int64_t count) {
  std::vector<float> to(static_cast<std::size_t>(count));
  parallel_for(count, kWidenGrain, [from, &to](std::int64_t begin, std::int64_t end) {
    widen_row(from + begin, end - begin, to.data() + begin);
  });
  return to;
}

/// to[i] = from[i], rounded to nearest, on all threads.
inline void round_to_bfloat16(const float* from, std::int64_t count, BFloat16* to) {
  parallel_for(count, kWidenGrain, [=](std::int64_t begin, std::int64_t end) {
    round_row(from + begin, end - begin, to + begin);
  });
}

}  // namespace switchyard::kernels
