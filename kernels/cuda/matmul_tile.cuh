#pragma once

#include <algorithm>

#include "kernels/api/matmul.h"
#include "kernels/common/with_flag.h"
#include "kernels/cuda/matrix_tile.cuh"
#include "kernels/cuda/product_rungs.cuh"
#include "kernels/cuda/split_sum.cuh"
#include "kernels/cuda/tile_grid.cuh"
#include "kernels/cuda/tile_outputs.cuh"
#include "kernels/cuda/tile_shared.cuh"

// The matrix product in tiles, for every kind of tile: the kernel and its launch.

namespace switchyard::kernels {

/// The operands of one call. Sums and result are of type Sum.
template <class T, class Sum>
struct Product {
  const T* a;
  const T* b;
  Sum* c;
  const Sum* addend;  ///< [m, n], null for nothing
  int m, n, k;
};

/// Adds what the addend [m, n] holds in a thread's places to its sums. `wide` says that its rows
/// may be read 16 bytes at a time.
template <class Tile>
__device__ __forceinline__ void add_addend(
    const Product<typename Tile::Operand, typename Tile::Sum>& p, bool wide, int first_row,
    int first_col, typename Tile::Sums& sums) {
  SWITCHYARD_UNROLL
  for (int i = 0; i < Tile::kThreadRows; ++i) {
    const int row = first_row + Tile::row(i);
    if (row >= p.m) continue;
    const auto* const from = p.addend + std::int64_t{row} * p.n;
    SWITCHYARD_UNROLL
    for (int g = 0; g < Tile::kThreadGroups; ++g) {
      const auto group = read_group<Tile::kGroup>(from, first_col + Tile::col(g), p.n, wide);
      SWITCHYARD_UNROLL
      for (int e = 0; e < Tile::kGroup; ++e) Tile::output(sums, i, g, e) += group.value[e];
    }
  }
}

// matmul_tile
//   1. block (tile, part) multiplies its tile over its part of k;
//   2. the first part adds the addend to its sums, if there is one;
//   3. with several parts c is [parts, m, n].
template <class Tile, bool kWide, bool kTransposeA, bool kTransposeB>
__global__ void __launch_bounds__(Tile::kThreads,
                                  Tile::blocks(kWide && !kTransposeA && kTransposeB))
    matmul_tile(Product<typename Tile::Operand, typename Tile::Sum> p, int tiles_across,
                int part_length, bool wide) {
  using T = typename Tile::Operand;
  using Sum = typename Tile::Sum;
  auto& shared = tile_shared<Tile>();
  const auto block = static_cast<int>(blockIdx.x);
  const int first_row = block / tiles_across * Tile::kRows;
  const int first_col = block % tiles_across * Tile::kCols;
  const auto part = static_cast<int>(blockIdx.y);
  const int begin = part * part_length;
  const MatrixSource<T, !kTransposeA> a{p.a, p.m, kTransposeA ? p.m : p.k};
  const MatrixSource<T, kTransposeB> b{p.b, p.n, kTransposeB ? p.k : p.n};
  typename Tile::Sums sums;
  Tile::template multiply<kWide>(shared, a, b, first_row, first_col, begin,
                                 begin + std::min(part_length, p.k - begin), sums);
  if (p.addend != nullptr && part == 0) add_addend<Tile>(p, wide, first_row, first_col, sums);
  Sum* const c = p.c + part * (std::int64_t{p.m} * p.n);
  Tile::store(MatrixSink<Sum>{c, p.m, p.n, wide}, first_row, first_col, sums);
}

/// The call's operands for a kernel, sizes in 32 bits.
template <class T>
Product<T, ResultOf<T>> product(const char* name, const Matmul<T>& a) {
  return {a.a,
          a.b,
          a.c,
          a.addend,
          checked_extent(name, "m", a.shape.m),
          checked_extent(name, "n", a.shape.n),
          checked_extent(name, "k", a.shape.k)};
}

/// Calls body(transpose_a, transpose_b) with the flags as template arguments.
template <class Body>
void with_transposes(const MatmulShape& shape, const Body& body) {
  with_flag(shape.transpose_a, [&](auto transpose_a) {
    with_flag(shape.transpose_b, [&](auto transpose_b) { body(transpose_a, transpose_b); });
  });
}

/// Returns whether both operands may be read 16 bytes at a time.
template <class T>
bool wide_operands(const Matmul<T>& a) {
  const MatmulShape& s = a.shape;
  return wide_rows(a.a, s.transpose_a ? s.m : s.k) && wide_rows(a.b, s.transpose_b ? s.k : s.n);
}

/// Returns whether results and addend may be written and read 16 bytes at a time.
template <class T, class Sum>
bool wide_outputs(const Product<T, Sum>& p) {
  return wide_rows(p.c, p.n) && wide_rows(p.addend, p.n);  // null is aligned
}

/// Writes split.count results of p.m x p.n to p.c.
template <class Tile, bool kWide, class T, class Sum>
void launch_tile(KernelExecutor& exec, const char* name, const MatmulShape& shape,
                 const Product<T, Sum>& p, const Split& split) {
  const TileGrid tiles = tile_grid<Tile>(name, p.m, p.n);
  if (tiles.count == 0) return;
  with_transposes(shape, [&](auto ta, auto tb) {
    launch(exec, name, matmul_tile<Tile, kWide, decltype(ta)::value, decltype(tb)::value>,
           LaunchShape{.grid = {tiles.count, static_cast<unsigned>(split.count)},
                       .block = {Tile::kThreads},
                       .dynamic_shared_bytes = kTileDynamicShared<Tile>},
           p, tiles.across, split.length, wide_outputs(p));
  });
}

/// Computes the product in parts of k, as many as fill a GPU with tiles of 64x64: calls
/// multiply(p, split), which writes split.count results to p.c.
template <class T, class Multiply>
void in_parts(KernelExecutor& exec, const char* name, const Matmul<T>& a,
              const Multiply& multiply) {
  auto p = product(name, a);
  const std::int64_t outputs = std::int64_t{p.m} * p.n;
  // How many parts there are depends on m; one part, on k alone.
  const Split split = a.batch_invariant
                          ? Split{1, p.k}
                          : split_sum(outputs, tiles_along(p.m, 64) * tiles_along(p.n, 64), p.k);
  run_in_parts(exec, outputs, split, a.c, [&](ResultOf<T>* to) {
    p.c = to;
    multiply(p, split);
  });
}

}  // namespace switchyard::kernels
