#pragma once

#include <cstdint>

#include "kernels/api/gate.h"

namespace switchyard::kernels {

/// Goes from a gate's logits to slots in one call: chooses as Gate does, and sorts the assignments
/// by expert as SegmentOffsets and SortAssignments do, with nothing dropped. Slots
/// [offsets[e], offsets[e + 1]) go to expert e, tokens ascending. T = float and double.
template <class T>
struct Route {
  static constexpr std::string_view kName = "route";
  Gate<T> gate = {};  ///< its operands, weights, indices and report; fewer than 2^31 assignments
  std::int64_t* offsets = nullptr;      ///< [experts + 1]
  std::int64_t* permutation = nullptr;  ///< [tokens · k]: slot -> assignment = token · k + choice
  std::int64_t* inverse = nullptr;      ///< [tokens · k]: assignment -> slot
  Work work() const {
    return {.bytes = gate.work().bytes +
                     bytes_of<std::int64_t>(2 * gate.tokens * gate.k + gate.experts + 1)};
  }
};

}  // namespace switchyard::kernels
