#include "kernels/cpu/tile_product.h"

#include <algorithm>
#include <cstring>

#include "kernels/cpu/scratch.h"

namespace switchyard::kernels {
namespace {

template <class T>
const tile::Kernels<T>& kernels() {
  static const tile::Kernels<T> chosen = [] {
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")) {
      return tile::kernels_avx512<T>();
    }
#endif
    return tile::kernels_avx2<T>();
  }();
  return chosen;
}

/// Elements between the packed left operands of neighbouring tiles.
constexpr std::int64_t kPackedTile = tile::kMostRows * tile::kPackedRow;

/// Tiles whose left operands are packed together where neighbouring rows lie beside each other in
/// memory: each term's are read in one stretch, which the processor fetches ahead.
constexpr std::int64_t kPackedTogether = 32;

/// kRows neighbours of each term for each of `tiles` whole tiles: a copy whose size the compiler
/// knows, for tens of bytes a call.
template <std::int64_t kRows, class T>
void pack_whole(const T* from, std::int64_t stride, std::int64_t tiles, std::int64_t depth,
                T* packed) {
  for (std::int64_t k = 0; k < depth; ++k) {
    for (std::int64_t tile = 0; tile < tiles; ++tile) {
      std::memcpy(packed + tile * kPackedTile + k * kRows, from + k * stride + tile * kRows,
                  kRows * sizeof(T));
    }
  }
}

/// Rows [first, first + rows) and terms [from, from + depth) of a, in the order in which a kernel
/// of `tile_rows` reads them, kPackedTile elements for each tile; rows that are missing to the last
/// tile are zeros.
template <class T>
void pack(const MatrixView<T>& a, std::int64_t first, std::int64_t rows, std::int64_t tile_rows,
          std::int64_t from, std::int64_t depth, T* packed) {
  if (!a.transposed) {
    for (std::int64_t i = 0; i < (rows + tile_rows - 1) / tile_rows * tile_rows; ++i) {
      T* const to = packed + i / tile_rows * kPackedTile + i % tile_rows * tile::kPackedRow;
      if (i < rows) {
        std::copy_n(a.data + (first + i) * a.stride + from, depth, to);
      } else {
        std::fill_n(to, depth, T{0});
      }
    }
    return;
  }
  const T* const source = a.data + from * a.stride + first;
  const std::int64_t whole = rows / tile_rows;
  if (tile_rows == tile::kRowsAvx512) {
    pack_whole<tile::kRowsAvx512>(source, a.stride, whole, depth, packed);
  } else {
    pack_whole<tile::kRowsAvx2>(source, a.stride, whole, depth, packed);
  }
  const std::int64_t left = rows - whole * tile_rows;
  if (left == 0) return;
  for (std::int64_t k = 0; k < depth; ++k) {
    T* const to = packed + whole * kPackedTile + k * tile_rows;
    std::copy_n(source + k * a.stride + whole * tile_rows, left, to);
    std::fill(to + left, to + tile_rows, T{0});
  }
}

/// One tile of c, of `rows` rows and `columns` columns. One at the edge, narrower than the kernel,
/// is computed beside c and copied as far as c reaches.
template <class T>
void one_tile(tile::Kernel<T> kernel, std::int64_t kernel_rows, std::int64_t kernel_columns,
              std::int64_t rows, std::int64_t columns, const T* packed, const T* b,
              std::int64_t b_stride, std::int64_t depth, T* c, std::int64_t c_stride,
              bool accumulate) {
  if (rows == kernel_rows && columns == kernel_columns) {
    return kernel(packed, b, b_stride, depth, c, c_stride, accumulate);
  }
  alignas(64) T whole[tile::kMostRows * 2 * tile::kMostLanes] = {};
  for (std::int64_t i = 0; accumulate && i < rows; ++i) {
    std::copy_n(c + i * c_stride, columns, whole + i * kernel_columns);
  }
  kernel(packed, b, b_stride, depth, whole, kernel_columns, accumulate);
  for (std::int64_t i = 0; i < rows; ++i) {
    std::copy_n(whole + i * kernel_columns, columns, c + i * c_stride);
  }
}

template <class T>
void clear_without_terms(std::int64_t rows, std::int64_t columns, T* c, std::int64_t c_stride,
                         bool accumulate) {
  for (std::int64_t i = 0; !accumulate && i < rows; ++i)
    std::fill_n(c + i * c_stride, columns, T{0});
}

}  // namespace

template <class T>
std::int64_t tile_lanes() {
  return kernels<T>().lanes;
}

template <class T>
void tile_product(std::int64_t rows, std::int64_t columns, std::int64_t depth, MatrixView<T> a,
                  const T* b, std::int64_t b_stride, T* c, std::int64_t c_stride, bool accumulate) {
  if (depth == 0) return clear_without_terms(rows, columns, c, c_stride, accumulate);
  const tile::Kernels<T>& kernel = kernels<T>();
  const auto& by_width = a.transposed ? kernel.by_depth : kernel.by_rows;
  const std::int64_t together = a.transposed ? kPackedTogether : 1;
  T* const packed =
      scratch<T>(Scratch::kPackedTiles, static_cast<std::size_t>(together * kPackedTile));
  for (std::int64_t from = 0; from < depth; from += kTileDepth) {
    const std::int64_t terms = std::min(kTileDepth, depth - from);
    for (std::int64_t first = 0; first < rows; first += kernel.rows) {
      const std::int64_t tile = first / kernel.rows % together;
      if (tile == 0) {
        pack(a, first, std::min(together * kernel.rows, rows - first), kernel.rows, from, terms,
             packed);
      }
      for (std::int64_t column = 0; column < columns;) {
        const bool two = columns - column > kernel.lanes;
        const std::int64_t width = two ? 2 * kernel.lanes : kernel.lanes;
        one_tile(by_width[two], kernel.rows, width, std::min(kernel.rows, rows - first),
                 std::min(width, columns - column), packed + tile * kPackedTile,
                 b + from * b_stride + column, b_stride, terms, c + first * c_stride + column,
                 c_stride, accumulate || from > 0);
        column += width;
      }
    }
  }
}

template <class T>
void tile_product_strips(std::int64_t rows, std::int64_t columns, std::int64_t depth,
                         MatrixView<T> a, const T* b, std::int64_t strip_stride, T* c,
                         std::int64_t c_stride, bool accumulate) {
  if (depth == 0) return clear_without_terms(rows, columns, c, c_stride, accumulate);
  const tile::Kernels<T>& kernel = kernels<T>();
  const tile::Kernel<T> tile_kernel = a.transposed ? kernel.by_depth[1] : kernel.by_rows[1];
  const std::int64_t width = 2 * kernel.lanes;
  const std::int64_t tiles = (rows + kernel.rows - 1) / kernel.rows;
  T* const packed =
      scratch<T>(Scratch::kPackedTiles, static_cast<std::size_t>(tiles * kPackedTile));
  for (std::int64_t from = 0; from < depth; from += kTileDepth) {
    const std::int64_t terms = std::min(kTileDepth, depth - from);
    pack(a, 0, rows, kernel.rows, from, terms, packed);
    for (std::int64_t column = 0; column < columns; column += width) {
      const T* const strip = b + column / width * strip_stride + from * width;
      for (std::int64_t tile = 0; tile < tiles; ++tile) {
        const std::int64_t first = tile * kernel.rows;
        one_tile(tile_kernel, kernel.rows, width, std::min(kernel.rows, rows - first),
                 std::min(width, columns - column), packed + tile * kPackedTile, strip, width,
                 terms, c + first * c_stride + column, c_stride, accumulate || from > 0);
      }
    }
  }
}

template std::int64_t tile_lanes<float>();
template std::int64_t tile_lanes<double>();
template void tile_product(std::int64_t, std::int64_t, std::int64_t, MatrixView<float>,
                           const float*, std::int64_t, float*, std::int64_t, bool);
template void tile_product(std::int64_t, std::int64_t, std::int64_t, MatrixView<double>,
                           const double*, std::int64_t, double*, std::int64_t, bool);
template void tile_product_strips(std::int64_t, std::int64_t, std::int64_t, MatrixView<float>,
                                  const float*, std::int64_t, float*, std::int64_t, bool);
template void tile_product_strips(std::int64_t, std::int64_t, std::int64_t, MatrixView<double>,
                                  const double*, std::int64_t, double*, std::int64_t, bool);

}  // namespace switchyard::kernels
