#pragma once

#include <cstdint>
#include <initializer_list>

#include "kernels/common/launch.h"
#include "kernels/common/sizes.h"

namespace switchyard::kernels {

/// Tiles of `tile` items that cover `extent` of them.
constexpr std::int64_t tiles_along(std::int64_t extent, std::int64_t tile) {
  return (extent + tile - 1) / tile;
}

/// Launches `kernel` with a line of blocks, the product of `blocks`, or not at all where that is 0.
/// Errors: Refusal for more blocks than a grid has.
template <class... Parameters, class... Arguments>
void launch_blocks(KernelExecutor& exec, const char* name, void (*kernel)(Parameters...),
                   std::initializer_list<std::int64_t> blocks, int threads,
                   const Arguments&... arguments) {
  const int count = checked_extent(name, "blocks", blocks);
  if (count == 0) return;
  launch(exec, name, kernel,
         {.grid = {static_cast<unsigned>(count)}, .block = {static_cast<unsigned>(threads)}},
         arguments...);
}

}  // namespace switchyard::kernels
