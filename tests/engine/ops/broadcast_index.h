#pragma once

#include <cstdint>

#include "engine/core/shape.h"

namespace switchyard::test {

/// Returns which element of a tensor of shape `from` stands at element `flat` of the shape `to`
/// that it broadcasts to: plain index arithmetic, for reference loops.
inline std::size_t broadcast_index(const Shape& from, const Shape& to, std::size_t flat) {
  auto rest = static_cast<std::int64_t>(flat);
  std::int64_t offset = 0;
  std::int64_t step = 1;
  for (int axis = 1; axis <= from.rank(); ++axis) {
    const std::int64_t index = rest % to[-axis];
    rest /= to[-axis];
    offset += (from[-axis] == 1 ? 0 : index) * step;
    step *= from[-axis];
  }
  return static_cast<std::size_t>(offset);
}

}  // namespace switchyard::test
