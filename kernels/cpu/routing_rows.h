#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/api/routing.h"

// The kernels of routing on the host share this: rows spread over threads, and one row of top-k.

namespace switchyard::kernels {

/// Rows that give one thread enough to do when each takes about `work` elementary steps.
inline std::int64_t rows_per_thread(std::int64_t work) {
  constexpr std::int64_t kSteps = 16384;
  return std::max<std::int64_t>(1, kSteps / std::max<std::int64_t>(work, 1));
}

/// False if the row holds NaN or nothing above -inf.
template <class T>
bool rankable(const T* row, std::int64_t experts) {
  bool any = false;
  for (std::int64_t e = 0; e < experts; ++e) {
    if (std::isnan(row[e])) return false;
    any = any || row[e] != -std::numeric_limits<T>::infinity();
  }
  return any;
}

/// Insertion into a descending list of k: equal values stay behind earlier ones, so that ties go to
/// the lower index. k is small (1 to 8), and most entries lose against the last kept at once.
template <class T>
void top_k_row(const T* row, std::int64_t experts, std::int64_t k, std::int64_t* kept) {
  std::int64_t count = 0;
  for (std::int64_t e = 0; e < experts; ++e) {
    if (count == k && !(row[e] > row[kept[k - 1]])) continue;
    std::int64_t at = count < k ? count++ : k - 1;
    for (; at > 0 && row[e] > row[kept[at - 1]]; --at) kept[at] = kept[at - 1];
    kept[at] = e;
  }
}

}  // namespace switchyard::kernels
