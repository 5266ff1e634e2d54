#pragma once

#include "kernels/api/grouped_matmul.h"
#include "kernels/common/with_flag.h"
#include "kernels/cuda/product_rungs.cuh"
#include "kernels/cuda/row_tile.cuh"
#include "kernels/cuda/tile_outputs.cuh"
#include "kernels/cuda/tile_shared.cuh"

// The product per expert in tiles, for every kind of tile: the kernel and its launch.

namespace switchyard::kernels {

/// The operands of one call.
template <class T>
struct Grouped : GroupedExtents {
  const T* x;     // [rows, inner]
  const T* w;     // [experts, inner, cols] or transposed
  const T* bias;  // [experts, cols] or null
  T* y;           // [rows, cols]

  __device__ const T* bias_of(int expert) const {
    return bias == nullptr ? nullptr : bias + std::int64_t{expert} * this->cols;
  }
};

template <class Tile, bool kWide, bool kTransposeW>
__global__ void __launch_bounds__(Tile::kThreads, Tile::blocks(false))
    grouped_matmul_tile(Grouped<typename Tile::Operand> p, int tiles_across, bool wide_y) {
  using T = typename Tile::Operand;
  auto& shared = tile_shared<Tile>();
  const auto block = static_cast<int>(blockIdx.x);
  const RowTile tile = block_row_tile(p, Tile::kRows, block / tiles_across);
  if (tile.expert < 0) return;  // the whole block
  const T* const w_e = p.w + tile.expert * p.weights();
  const MatrixSource<T, true> x{p.x, tile.end_row, p.inner};
  const MatrixSource<T, kTransposeW> w{w_e, p.cols, kTransposeW ? p.inner : p.cols};
  const int first_col = block % tiles_across * Tile::kCols;
  typename Tile::Sums sums;
  Tile::template multiply<kWide>(shared, x, w, tile.first_row, first_col, 0, p.inner, sums);
  const T* const bias = p.bias_of(tile.expert);
  if (bias != nullptr) add_to_rows<Tile>(bias, p.cols, first_col, sums);
  const MatrixSink<T> y{p.y, tile.end_row, p.cols, wide_y};
  if constexpr (std::is_same_v<T, typename Tile::Sum>) {
    Tile::store(y, tile.first_row, first_col, sums);
  } else {
    store_outputs<Tile>(y, tile.first_row, first_col, sums);
  }
}

/// Returns whether x and w may be read 16 bytes at a time: every row of either begins aligned.
template <class T>
bool wide_operands(const GroupedMatmul<T>& a) {
  return wide_rows(a.x, a.shape.inner) &&
         wide_rows(a.w, a.transpose_w ? a.shape.inner : a.shape.cols);
}

template <class Tile, bool kWide, class T>
void launch_tiles(KernelExecutor& exec, const char* name, const GroupedMatmul<T>& a) {
  const Grouped<T> p{grouped_extents(name, a.shape, a.offsets), a.x, a.w, a.bias, a.y};
  const std::int64_t across = tiles_along(p.cols, Tile::kCols);
  const bool wide_y = wide_rows(a.y, p.cols);
  with_flag(a.transpose_w, [&](auto transpose) {
    launch(exec, name, grouped_matmul_tile<Tile, kWide, decltype(transpose)::value>,
           tile_line<Tile>(name, {most_row_tiles(p, Tile::kRows), across}), p,
           static_cast<int>(across), wide_y);
  });
}

}  // namespace switchyard::kernels
