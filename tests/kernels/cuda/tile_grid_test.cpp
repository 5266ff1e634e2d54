#include "kernels/cuda/tile_grid.cuh"

#include <gtest/gtest.h>

namespace switchyard::kernels {
namespace {

template <int kSize>
struct Square {
  static constexpr int kRows = kSize, kCols = kSize;
};
struct Squares {
  using Large = Square<128>;
  using Small = Square<64>;
};

/// Rows of the tile that is taken for C [rows, cols] in `parts` parts.
int tile_rows(int multiprocessors, std::int64_t rows, std::int64_t cols, std::int64_t parts = 1) {
  int taken = 0;
  with_tile<Squares>({.multiprocessors = multiprocessors}, rows, cols, parts,
                     [&](auto tile) { taken = decltype(tile)::type::kRows; });
  return taken;
}

TEST(TileGrid, TakesLargeTilesWhereNineOfTenMultiprocessorsGetOne) {
  EXPECT_EQ(tile_rows(20, 128 * 18, 128), 128);
  EXPECT_EQ(tile_rows(20, 128 * 17, 128), 64);
  EXPECT_EQ(tile_rows(20, 128 * 17, 128, 2), 128);
  EXPECT_EQ(tile_rows(18, 128 * 17, 128), 128);
}

TEST(TileGrid, TakesSmallTilesWhereLargeOnesHangOverTheEdge) {
  EXPECT_EQ(tile_rows(4, 128 * 4, 64), 64);
  EXPECT_EQ(tile_rows(4, 128 * 4, 128), 128);
  EXPECT_EQ(tile_rows(4, 128 * 4 + 1, 128), 128);
}

}  // namespace
}  // namespace switchyard::kernels
