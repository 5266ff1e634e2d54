#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/common/sizes.h"
#include "kernels/cuda/product_launch.cuh"

namespace switchyard::kernels {

/// The tiles of a product C [rows, cols], numbered along C's rows: a block each.
struct TileGrid {
  unsigned count;
  int across;
};
/// Errors: std::invalid_argument naming the kernel for more tiles than a grid has blocks.
template <class Tile>
TileGrid tile_grid(const char* kernel, std::int64_t rows, std::int64_t cols) {
  const std::int64_t across = tiles_along(cols, Tile::kCols);
  const int count = checked_extent(kernel, "tiles", {tiles_along(rows, Tile::kRows), across});
  return {static_cast<unsigned>(count), static_cast<int>(across)};
}

/// Calls body(std::type_identity<Tile>) with Tiles::Large where it gives every multiprocessor of a
/// GPU a block (an A100 has 108, an H100 132), else with Tiles::Small, which reads operands more
/// often but lets more of the GPU work. Each tile of C is computed in `parts` blocks.
template <class Tiles, class Body>
void with_tile(std::int64_t rows, std::int64_t cols, std::int64_t parts, const Body& body) {
  constexpr std::int64_t kBlocksWanted = 128;
  using Large = typename Tiles::Large;
  if (tiles_along(rows, Large::kRows) * tiles_along(cols, Large::kCols) * parts >= kBlocksWanted) {
    body(std::type_identity<Large>{});
  } else {
    body(std::type_identity<typename Tiles::Small>{});
  }
}

}  // namespace switchyard::kernels
