#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/common/cuda.h"
#include "kernels/common/sizes.h"
#include "kernels/cuda/product_rungs.cuh"

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

/// Where tile number `index` of `down` x `across` lies when they are numbered down groups of 8 rows
/// of tiles: those that are multiplied at the same time share few rows and columns of the operands.
struct TilePlace {
  int row, col;
};
SWITCHYARD_HOST_DEVICE constexpr TilePlace tile_in_groups(int index, int down, int across) {
  constexpr int kGroup = 8;
  const int first = index / (kGroup * across) * kGroup;
  const int rows = down - first < kGroup ? down - first : kGroup;
  const int within = index - first * across;
  return {first + within % rows, within / rows};
}

/// Calls body(std::type_identity<Tile>) with Tiles::Large where it gives at least nine of ten
/// multiprocessors of the device a block and hangs over the edges of C by little, else with
/// Tiles::Small: it reads operands more often, but more of the GPU works, and fewer of its products
/// are thrown away. Each tile of C is computed in `parts` blocks. An output has the same bits in
/// either.
template <class Tiles, class Body>
void with_tile(const LaunchLimits& device, std::int64_t rows, std::int64_t cols, std::int64_t parts,
               const Body& body) {
  using Large = typename Tiles::Large;
  using Small = typename Tiles::Small;
  const auto tiles_of = [&](auto tile) {
    using Tile = typename decltype(tile)::type;
    return tiles_along(rows, Tile::kRows) * tiles_along(cols, Tile::kCols);
  };
  const std::int64_t large = tiles_of(std::type_identity<Large>{});
  const std::int64_t small = tiles_of(std::type_identity<Small>{});
  constexpr std::int64_t kSmallInLarge =
      Large::kRows * Large::kCols / (Small::kRows * Small::kCols);
  const bool fits = 4 * kSmallInLarge * large <= 5 * small;  // at most a quarter more products
  if (fits && 10 * large * parts >= 9 * std::int64_t{device.multiprocessors}) {
    body(std::type_identity<Large>{});
  } else {
    body(std::type_identity<Small>{});
  }
}

}  // namespace switchyard::kernels
