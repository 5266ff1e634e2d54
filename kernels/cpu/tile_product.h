#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/gemm.h"

// Matrix products whose operands are prepared by the caller, which is what the experts of an MoE
// layer need: rows read through a permutation, and epilogues between two products, while a panel
// still lies in the cache. A library's product takes whole matrices.

namespace switchyard::kernels {

/// Depth (terms of each sum) that one call of a tile kernel adds at most: a packed left operand of
/// this depth stays in the first-level cache.
inline constexpr std::int64_t kTileDepth = 256;

/// c [rows, columns] = a [rows, depth] · b [depth, columns], plus c if `accumulate`. Every sum runs
/// over stretches of kTileDepth terms in ascending order, so its bits depend on its row of a and
/// its column of b alone, not on what else is computed. Rows of b are readable up to `columns`
/// rounded up to tile_lanes<T>(). Runs on the calling thread.
template <class T>
void tile_product(std::int64_t rows, std::int64_t columns, std::int64_t depth, MatrixView<T> a,
                  const T* b, std::int64_t b_stride, T* c, std::int64_t c_stride, bool accumulate);

/// The same for a right operand in strips of strip_columns<T>() columns, each a matrix of its own
/// [depth, strip_columns] that lies whole in the first-level cache while all rows of a pass by;
/// strips are `strip_stride` elements apart, and the last one is as wide as the others. For many
/// columns, where the rows of an ordinary matrix lie a page apart.
template <class T>
void tile_product_strips(std::int64_t rows, std::int64_t columns, std::int64_t depth,
                         MatrixView<T> a, const T* b, std::int64_t strip_stride, T* c,
                         std::int64_t c_stride, bool accumulate);

/// Elements of one vector of the widest kind that this processor computes with.
template <class T>
std::int64_t tile_lanes();

/// Columns of a strip.
template <class T>
std::int64_t strip_columns() {
  return 2 * tile_lanes<T>();
}

/// `count` rounded up to whole vectors.
template <class T>
std::int64_t round_up_to_lanes(std::int64_t count) {
  const std::int64_t lanes = tile_lanes<T>();
  return (count + lanes - 1) / lanes * lanes;
}

/// Writes strips of `stride` rows, as tile_product_strips() reads them, from `rows` rows of
/// `columns` elements, row r at row_at(r); zeros where the last strip is wider than what is left.
template <class T, class RowAt>
void copy_to_strips(std::int64_t rows, std::int64_t columns, const RowAt& row_at, T* strips,
                    std::int64_t stride) {
  const std::int64_t width = strip_columns<T>();
  for (std::int64_t row = 0; row < rows; ++row) {
    const T* const from = row_at(row);
    for (std::int64_t column = 0; column < columns; column += width) {
      const std::int64_t count = std::min(width, columns - column);
      T* const to = strips + column * stride + row * width;
      std::copy_n(from + column, count, to);
      std::fill(to + count, to + width, T{0});
    }
  }
}

namespace tile {

/// Computes one tile: c [kRows, vectors of columns] (+)= a · b, a packed.
template <class T>
using Kernel = void (*)(const T* a, const T* b, std::int64_t b_stride, std::int64_t depth, T* c,
                        std::int64_t c_stride, bool accumulate);

/// The kernels of one instruction set. A packed left operand lies by rows, kPackedRow elements
/// apart, or by depth, `rows` elements for each term; [0] is one vector wide, [1] two.
template <class T>
struct Kernels {
  std::int64_t rows;
  std::int64_t lanes;
  Kernel<T> by_rows[2];
  Kernel<T> by_depth[2];
};

/// Not a multiple of a large power of two, so that a tile's rows lie in different cache sets.
inline constexpr std::int64_t kPackedRow = kTileDepth + 16;
inline constexpr std::int64_t kRowsAvx2 = 6;
inline constexpr std::int64_t kRowsAvx512 = 14;
inline constexpr std::int64_t kMostRows = kRowsAvx512;
inline constexpr std::int64_t kMostLanes = 16;

template <class T>
Kernels<T> kernels_avx2();
template <class T>
Kernels<T> kernels_avx512();

}  // namespace tile
}  // namespace switchyard::kernels
