#include "kernels/cpu/tile_product.h"

#include <algorithm>

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

/// Rows [first, first + rows) and terms [from, from + depth) of a, in the order in which a kernel
/// reads them; rows that are missing to a whole tile are zeros.
template <class T>
void pack(const MatrixView<T>& a, std::int64_t first, std::int64_t rows, std::int64_t tile_rows,
          std::int64_t from, std::int64_t depth, T* packed) {
  if (a.transposed) {
    for (std::int64_t k = 0; k < depth; ++k) {
      const T* const source = a.data + (from + k) * a.stride + first;
      T* const to = packed + k * tile_rows;
      std::copy_n(source, rows, to);
      std::fill(to + rows, to + tile_rows, T{0});
    }
    return;
  }
  for (std::int64_t i = 0; i < tile_rows; ++i) {
    T* const to = packed + i * tile::kPackedRow;
    if (i < rows) {
      std::copy_n(a.data + (first + i) * a.stride + from, depth, to);
    } else {
      std::fill_n(to, depth, T{0});
    }
  }
}

/// A tile at the edge of c: computed beside it, and copied as far as c reaches.
template <class T>
void edge_tile(tile::Kernel<T> kernel, std::int64_t tile_columns, std::int64_t rows,
               std::int64_t columns, const T* packed, const T* b, std::int64_t b_stride,
               std::int64_t depth, T* c, std::int64_t c_stride, bool accumulate) {
  alignas(64) T whole[tile::kMostRows * 2 * tile::kMostLanes] = {};
  if (accumulate) {
    for (std::int64_t i = 0; i < rows; ++i) {
      std::copy_n(c + i * c_stride, columns, whole + i * tile_columns);
    }
  }
  kernel(packed, b, b_stride, depth, whole, tile_columns, accumulate);
  for (std::int64_t i = 0; i < rows; ++i) {
    std::copy_n(whole + i * tile_columns, columns, c + i * c_stride);
  }
}

}  // namespace

template <class T>
std::int64_t tile_lanes() {
  return kernels<T>().lanes;
}

template <class T>
void tile_product(std::int64_t rows, std::int64_t columns, std::int64_t depth, MatrixView<T> a,
                  const T* b, std::int64_t b_stride, T* c, std::int64_t c_stride, bool accumulate) {
  if (depth == 0 && !accumulate) {
    for (std::int64_t i = 0; i < rows; ++i) std::fill_n(c + i * c_stride, columns, T{0});
  }
  const tile::Kernels<T>& kernel = kernels<T>();
  const auto& by_width = a.transposed ? kernel.by_depth : kernel.by_rows;
  alignas(64) T packed[tile::kMostRows * tile::kPackedRow];
  for (std::int64_t from = 0; from < depth; from += kTileDepth) {
    const std::int64_t terms = std::min(kTileDepth, depth - from);
    const bool adds = accumulate || from > 0;
    for (std::int64_t first = 0; first < rows; first += kernel.rows) {
      const std::int64_t tile_rows = std::min(kernel.rows, rows - first);
      pack(a, first, tile_rows, kernel.rows, from, terms, packed);
      for (std::int64_t column = 0; column < columns;) {
        const bool two = columns - column > kernel.lanes;
        const std::int64_t width = two ? 2 * kernel.lanes : kernel.lanes;
        const std::int64_t tile_columns = std::min(width, columns - column);
        const T* const right = b + from * b_stride + column;
        T* const to = c + first * c_stride + column;
        if (tile_rows == kernel.rows && tile_columns == width) {
          by_width[two](packed, right, b_stride, terms, to, c_stride, adds);
        } else {
          edge_tile(by_width[two], width, tile_rows, tile_columns, packed, right, b_stride, terms,
                    to, c_stride, adds);
        }
        column += width;
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

}  // namespace switchyard::kernels
