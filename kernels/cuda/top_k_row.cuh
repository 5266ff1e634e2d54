#pragma once

#include <cstdint>
#include <limits>

#include "kernels/common/warp.h"

// This file holds the order that top-k selects by, and one round of the selection by a warp, or by
// each kLanes of its lanes, a power of two, for a row of their own. Rounds need no memory of what
// was chosen: the next choice is the first one in the order behind the last.

namespace switchyard::kernels {

/// Names one expert of a row. NaN ranks as -inf, so that k choices are k different experts whatever
/// the logits; rows with NaN are reported beside it.
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

/// Comes before every candidate.
template <class T>
__device__ __forceinline__ Candidate<T> before_all() {
  return {std::numeric_limits<T>::infinity(), -1};
}
/// Comes behind every candidate.
template <class T>
__device__ __forceinline__ Candidate<T> behind_all() {
  return {-std::numeric_limits<T>::infinity(), std::numeric_limits<int>::max()};
}

/// Keeps what a row's logits showed.
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
  /// The checks of the lanes as one, in every lane.
  template <int kLanes = kWarp>
  __device__ RowCheck over_lanes() const {
    const unsigned first = threadIdx.x % kWarp / kLanes * kLanes;
    const unsigned row = (kFullWarp >> (kWarp - kLanes)) << first;
    RowCheck all;
    all.nan = (__ballot_sync(kFullWarp, nan ? 1 : 0) & row) != 0;
    all.above = (__ballot_sync(kFullWarp, above ? 1 : 0) & row) != 0;
    return all;
  }
};

/// The first of the lanes' candidates; every lane gets it. 10 shuffles for 32 lanes.
template <int kLanes = kWarp, class T>
__device__ __forceinline__ Candidate<T> warp_first(Candidate<T> mine) {
  for (int distance = kLanes / 2; distance > 0; distance /= 2) {
    const Candidate<T> other = {__shfl_xor_sync(kFullWarp, mine.value, distance),
                                __shfl_xor_sync(kFullWarp, mine.expert, distance)};
    if (comes_before(other, mine)) mine = other;
  }
  return mine;
}

/// A row spread over the registers of kLanes lanes: lane l holds the experts l, l + kLanes, ...
/// (kPerLane of them).
template <class T, int kPerLane, int kLanes = kWarp>
struct RowInRegisters {
  T value[kPerLane];
  RowCheck<T> check;

  static __device__ int expert(int i) {
    return static_cast<int>(threadIdx.x) % kLanes + i * kLanes;
  }

  /// Reads row[0] to row[experts - 1]; of a pointer in coalesced requests.
  template <class Row>
  __device__ void load(const Row& row, int experts) {
    SWITCHYARD_UNROLL
    for (int i = 0; i < kPerLane; ++i) {
      value[i] = expert(i) < experts ? check.see(row[expert(i)], expert(i)).value
                                     : -std::numeric_limits<T>::infinity();
    }
    check = check.template over_lanes<kLanes>();
  }

  /// The first candidate behind `last`; every lane gets it.
  __device__ Candidate<T> next(const Candidate<T>& last, int experts) const {
    Candidate<T> best = behind_all<T>();
    SWITCHYARD_UNROLL
    for (int i = 0; i < kPerLane; ++i) {
      const Candidate<T> mine = {value[i], expert(i)};
      if (mine.expert < experts && comes_before(last, mine) && comes_before(mine, best)) {
        best = mine;
      }
    }
    return warp_first<kLanes>(best);
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
