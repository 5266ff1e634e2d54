#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/tile_operand.h"

// Matrix products whose operands are prepared by the caller, which is what the experts of an MoE
// layer need: rows read through a permutation, and epilogues between two products, while a panel
// still lies in the cache. A library's product takes whole matrices.
//
// T = float, double, or bfloat16, whose terms go by in pairs (tile_operand.h) and are summed in
// float32: with AMX or AVX512-BF16 where the processor has them, else widened.

namespace switchyard::kernels {

/// Elements of each sum that one call of a tile kernel adds at most: a packed left operand of this
/// depth stays in the first-level cache.
inline constexpr std::int64_t kTileDepth = 256;

/// What becomes of the numbers that a product is written over.
enum class TileWrite {
  kReplace,
  kAdd,
  kStream,  ///< replaced, past the caches: whoever reads them next comes much later
};

/// How a product that is one of several summands writes to its part of a result of so many bytes in
/// all. The only one streams where the result would not stay in the caches until it is read: a
/// store that takes no line into the cache first moves half the bytes.
inline TileWrite write_summand(bool is_first, bool is_last, double bytes) {
  constexpr double kMayStay = 16 << 20;
  if (!is_first) return TileWrite::kAdd;
  return is_last && bytes > kMayStay ? TileWrite::kStream : TileWrite::kReplace;
}

/// c [rows, columns] = a [rows, depth] · b [depth, columns], or added to c. b holds an
/// element for each kTermsOf<T> terms; what it holds beyond the depth is finite. Every sum runs
/// over stretches of kTileDepth elements in ascending order, so its bits depend on its row of a and
/// its column of b alone, not on what else is computed. Rows of b are readable up to `columns`
/// rounded up to tile_lanes<T>(). Runs on the calling thread.
template <class T>
void tile_product(std::int64_t rows, std::int64_t columns, std::int64_t depth, MatrixView<T> a,
                  const ElementOf<T>* b, std::int64_t b_stride, ResultOf<T>* c,
                  std::int64_t c_stride, TileWrite write);

/// The same for a right operand in strips of strip_columns<T>() columns, each a matrix of its own
/// [depth, strip_columns] that lies whole in the first-level cache while all rows of a pass by;
/// strips are `strip_stride` elements apart, and the last one is as wide as the others. For many
/// columns, where the rows of an ordinary matrix lie a page apart. Streams only a c whose rows
/// begin with a cache line, a depth of one pass, and whole tiles; what is left is replaced.
template <class T>
void tile_product_strips(std::int64_t rows, std::int64_t columns, std::int64_t depth,
                         MatrixView<T> a, const ElementOf<T>* b, std::int64_t strip_stride,
                         ResultOf<T>* c, std::int64_t c_stride, TileWrite write);

/// Sums of one vector of the widest kind that this processor computes with.
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

/// Writes strips of `stride` rows of elements, as tile_product_strips() reads them, from `rows`
/// rows of `columns` numbers, row r at row_at(r); zeros where the last strip is wider than what is
/// left, and for the term that an odd row lacks.
template <class T, class RowAt>
void copy_to_strips(std::int64_t rows, std::int64_t columns, const RowAt& row_at,
                    ElementOf<T>* strips, std::int64_t stride) {
  const std::int64_t width = strip_columns<T>();
  for (std::int64_t row = 0; row < rows; row += kTermsOf<T>) {
    const T* const from = row_at(row);
    const T* const next = kTermsOf<T> == 2 && row + 1 < rows ? row_at(row + 1) : nullptr;
    for (std::int64_t column = 0; column < columns; column += width) {
      const std::int64_t count = std::min(width, columns - column);
      ElementOf<T>* const to = strips + column * stride + row / kTermsOf<T> * width;
      if constexpr (kTermsOf<T> == 1) {
        std::copy_n(from + column, count, to);
      } else {
        for (std::int64_t j = 0; j < count; ++j) {
          to[j] = {from[column + j], next != nullptr ? next[column + j] : BFloat16(0.0F)};
        }
      }
      std::fill(to + count, to + width, ElementOf<T>{});
    }
  }
}

namespace tile {

/// What a kernel fetches into the cache while it computes, a line a step: rows of `lines` lines
/// that are `line_bytes` apart, the next row `skip` bytes behind a row's last line. With lines that
/// are 0 bytes apart it is one line again and again, which costs nothing.
struct Ahead {
  const char* at;
  std::int64_t line_bytes;
  std::int64_t lines;
  std::int64_t skip;
};

/// Computes one tile: c [rows, vectors of columns] (+)= a · b, a packed. Streams only to whole
/// lines.
template <class T>
using Kernel = void (*)(const ElementOf<T>* a, const ElementOf<T>* b, std::int64_t b_stride,
                        std::int64_t depth, ResultOf<T>* c, std::int64_t c_stride, TileWrite write,
                        const Ahead& ahead);

/// The kernels of one instruction set. A packed left operand lies by rows, kPackedRow elements
/// apart, or by depth, `rows` elements for each step; [0] is one vector wide, [1] two. Where
/// `by_depth` is null every left operand is packed by rows. `begin` and `end` stand around the
/// kernels' calls on a thread, and may be null.
template <class T>
struct Kernels {
  std::int64_t rows;
  std::int64_t lanes;
  Kernel<T> by_rows[2];
  Kernel<T> by_depth[2];
  void (*begin)() = nullptr;
  void (*end)() = nullptr;
};

/// Not a multiple of a large power of two, so that a tile's rows lie in different cache sets.
inline constexpr std::int64_t kPackedRow = kTileDepth + 16;
inline constexpr std::int64_t kRowsAvx2 = 6;
inline constexpr std::int64_t kRowsAvx512 = 14;
inline constexpr std::int64_t kRowsAmx = 32;
inline constexpr std::int64_t kMostRows = kRowsAmx;
inline constexpr std::int64_t kMostLanes = 16;

template <class T>
Kernels<T> kernels_avx2();
template <class T>
Kernels<T> kernels_avx512();
/// With the instructions for bfloat16 of AVX-512.
Kernels<BFloat16> kernels_avx512_bfloat16();
/// With AMX's tiles. Says first whether the processor has them and the system grants their use.
bool amx_is_granted();
Kernels<BFloat16> kernels_amx();

}  // namespace tile
}  // namespace switchyard::kernels
