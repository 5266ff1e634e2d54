#pragma once

#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>

#include "kernels/common/launch.h"
#include "kernels/common/sizes.h"
#include "kernels/common/wide.h"

// What the launchers of every product share.

namespace switchyard::kernels {

inline std::int64_t tiles_along(std::int64_t extent, std::int64_t tile) {
  return (extent + tile - 1) / tile;
}

/// Whether a row-major operand whose rows have `extent` elements may be read or written 16 bytes at
/// a time.
template <class T>
bool wide_rows(const T* data, std::int64_t extent) {
  return is_wide_aligned(data) && extent % Wide<T>::kCount == 0;
}

/// What a variant with 128-bit loads says that it needs.
inline constexpr const char* kWideNeeds =
    "operands 16-byte aligned, their rows multiples of 16 bytes";
inline void require_wide(const char* name, bool met) {
  if (!met) throw std::invalid_argument(std::string("[") + name + "] needs " + kWideNeeds);
}

/// Launches `kernel` with a line of blocks, the product of `blocks`, or not at all where that is 0.
template <class Exec, class... Parameters, class... Arguments>
void launch_blocks(Exec& exec, const char* name, void (*kernel)(Parameters...),
                   std::initializer_list<std::int64_t> blocks, int threads,
                   const Arguments&... arguments) {
  const int count = checked_extent(name, "blocks", blocks);
  if (count == 0) return;
  launch(exec, name, kernel,
         {.grid = {static_cast<unsigned>(count)}, .block = {static_cast<unsigned>(threads)}},
         arguments...);
}

}  // namespace switchyard::kernels
