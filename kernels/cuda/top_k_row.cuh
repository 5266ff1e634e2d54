#pragma once

#include <cstdint>
#include <limits>

#include "kernels/common/warp.h"

// The order that top-k selects by, and one round of the selection by a warp. Rounds need no memory
// of what was chosen: the next choice is the first one in the order behind the last.

namespace switchyard::kernels {

/// One expert of a row. NaN ranks as -inf, so that k choices are k different experts whatever the
/// logits; rows with NaN are reported beside it.
template <class T>
struct Candidate {
  T value;
  int expert;
};

/// Greater values first, ties to the lower expert.
template <class T>
__device__ __forceinline__ bool comes_before(const Candidate<T>& a, const Candidate<T>& b) {
  return a.value > b.value || (a.value == b.value && a.expert < b.expert);
}

/// Before every candidate.
template <class T>
__device__ __forceinline__ Candidate<T> before_all() {
  return {std::numeric_limits<T>::infinity(), -1};
}
/// Behind every candidate.
template <class T>
__device__ __forceinline__ Candidate<T> behind_all() {
  return {-std::numeric_limits<T>::infinity(), std::numeric_limits<int>::max()};
}

/// What a row's logits showed.
template <class T>
struct RowCheck {
  bool nan = false;
  bool above = false;  // something above -inf

  __device__ Candidate<T> see(T logit, int expert) {
    const T lowest = -std::numeric_limits<T>::infinity();
    const bool is_nan = logit != logit;
    nan = nan || is_nan;
    above = above || logit > lowest;
    return {is_nan ? lowest : logit, expert};
  }
  __device__ bool bad() const { return nan || !above; }
  /// The checks of 32 lanes as one, in every lane.
  __device__ RowCheck over_warp() const {
    RowCheck all;
    all.nan = __any_sync(kFullWarp, nan ? 1 : 0) != 0;
    all.above = __any_sync(kFullWarp, above ? 1 : 0) != 0;
    return all;
  }
};

/// The first of 32 lanes' candidates; every lane gets it. 10 shuffles.
template <class T>
__device__ __forceinline__ Candidate<T> warp_first(Candidate<T> mine) {
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    const Candidate<T> other = {__shfl_xor_sync(kFullWarp, mine.value, distance),
                                __shfl_xor_sync(kFullWarp, mine.expert, distance)};
    if (comes_before(other, mine)) mine = other;
  }
  return mine;
}

/// A row spread over a warp's registers: lane l holds the experts l, l + 32, ... (kPerLane of
/// them).
template <class T, int kPerLane>
struct RowInRegisters {
  T value[kPerLane];
  RowCheck<T> check;

  /// Reads the row [experts], 4 or 8 bytes a lane in a coalesced request.
  __device__ void load(const T* row, int experts) {
    const auto lane = static_cast<int>(threadIdx.x) % kWarp;
    SWITCHYARD_UNROLL
    for (int i = 0; i < kPerLane; ++i) {
      const int expert = lane + i * kWarp;
      value[i] = expert < experts ? check.see(row[expert], expert).value
                                  : -std::numeric_limits<T>::infinity();
    }
    check = check.over_warp();
  }

  /// The first candidate behind `last`; every lane gets it.
  __device__ Candidate<T> next(const Candidate<T>& last, int experts) const {
    const auto lane = static_cast<int>(threadIdx.x) % kWarp;
    Candidate<T> best = behind_all<T>();
    SWITCHYARD_UNROLL
    for (int i = 0; i < kPerLane; ++i) {
      const Candidate<T> mine = {value[i], lane + i * kWarp};
      if (mine.expert < experts && comes_before(last, mine) && comes_before(mine, best)) {
        best = mine;
      }
    }
    return warp_first(best);
  }
};

/// Most experts of a row in registers, 8 a lane.
inline constexpr int kMostInRegisters = 8 * kWarp;

/// Calls body(std::integral_constant<int, kPerLane>) with the fewest registers that hold a row.
template <class Body>
void with_per_lane(std::int64_t experts, const Body& body) {
  if (experts <= kWarp) {
    body(std::integral_constant<int, 1>{});
  } else if (experts <= 2 * kWarp) {
    body(std::integral_constant<int, 2>{});
  } else if (experts <= 4 * kWarp) {
    body(std::integral_constant<int, 4>{});
  } else {
    body(std::integral_constant<int, 8>{});
  }
}

}  // namespace switchyard::kernels
