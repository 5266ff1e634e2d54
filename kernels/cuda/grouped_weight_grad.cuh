#pragma once

#include "kernels/common/launch.h"
#include "kernels/cuda/gathered_rows.cuh"
#include "kernels/cuda/grouped_extents.cuh"
#include "kernels/cuda/tile_grid.cuh"
#include "kernels/cuda/tile_outputs.cuh"
#include "kernels/cuda/tile_shared.cuh"

// The weight gradient of a product per expert, gw_e = Σ_s x[s]ᵀ · gy[s] over the expert's segment.
// Either operand may be rows of tokens that nobody gathered.

namespace switchyard::kernels {

/// An operand [rows, cols] in the order of the slots.
template <class T>
struct SlotRows {
  static constexpr bool kGathered = false;
  const T* data;

  __device__ MatrixSource<T, false> source(const int* /*tokens*/, int /*first*/, int cols) const {
    return {data, cols, cols};
  }
};

/// An operand [tokens, cols] of which each slot reads its token's row.
template <class T>
struct TokenRows {
  static constexpr bool kGathered = true;
  const T* data;
  SlotTokens slots;

  __device__ int token(int slot) const { return slots.token(slot); }
  __device__ GatheredColumns<T> source(const int* tokens, int first, int cols) const {
    return {data, tokens, first, cols};
  }
};

/// Rows that a thread adds up before it adds the sum to its weight.
inline constexpr int kRowsPerSum = 2048;

// grouped_weight_grad_tile
//   1. block (expert, tile) owns 64x64 weights; the sum runs over the expert's rows, and both
//      operands are contiguous across it, so that no tile is transposed on its way;
//   2. where an operand is read through the permutation, the block first puts the tokens of its
//      next 2048 rows into shared memory;
//   3. every 2048 rows the sums are added to gw [experts, inner, cols] and start again at zero: a
//      long float32 sum would lose digits. Those that bfloat16 keeps it does not lose: there the
//      sums go on and are rounded once. One thread owns a weight, so that the order is fixed; no
//      atomics;
//   4. an empty expert's blocks write zeros.
// Reads x once per 64 columns and gy once per 64 rows of an expert's weights.
template <class Tile, bool kWide, class X, class Gy>
__global__ void __launch_bounds__(Tile::kThreads, Tile::blocks(false))
    grouped_weight_grad_tile(GroupedExtents p, X x, Gy gy, typename Tile::Operand* gw, int tiles,
                             int tiles_across, bool wide_gw) {
  using T = typename Tile::Operand;
  constexpr bool kStartsAgain = std::is_same_v<T, typename Tile::Sum>;
  constexpr bool kGathers = X::kGathered || Gy::kGathered;
  auto& shared = tile_shared<Tile>();
  __shared__ int tokens[kGathers ? kRowsPerSum : 1];
  const auto block = static_cast<int>(blockIdx.x);
  const int expert = block / tiles;
  const int first_row = block % tiles / tiles_across * Tile::kRows;
  const int first_col = block % tiles % tiles_across * Tile::kCols;
  const auto begin = static_cast<int>(p.offsets[expert]);
  const auto end = static_cast<int>(p.offsets[expert + 1]);
  const MatrixSink<T> sink{gw + expert * p.weights(), p.inner, p.cols, wide_gw};
  typename Tile::Sums sums;
  if constexpr (!kStartsAgain) Tile::clear(sums);
  int from = begin;
  do {
    const int to = end - from > kRowsPerSum ? from + kRowsPerSum : end;
    if constexpr (kGathers) {
      for (int slot = from + static_cast<int>(threadIdx.x); slot < to; slot += Tile::kThreads) {
        if constexpr (X::kGathered) {
          tokens[slot - from] = x.token(slot);
        } else {
          tokens[slot - from] = gy.token(slot);
        }
      }
      __syncthreads();
    }
    const auto source_x = x.source(tokens, from, p.inner);
    const auto source_gy = gy.source(tokens, from, p.cols);
    if constexpr (kStartsAgain) {
      Tile::template multiply<kWide>(shared, source_x, source_gy, first_row, first_col, from, to,
                                     sums);
      store_outputs<Tile>(sink, computed_here(first_row), first_col, sums, from > begin);
    } else {
      Tile::template accumulate<kWide>(shared, source_x, source_gy, first_row, first_col, from, to,
                                       sums);
    }
    from = to;
    __syncthreads();  // the next product overwrites the tiles
  } while (from < end);
  if constexpr (!kStartsAgain) {
    store_outputs<Tile>(sink, computed_here(first_row), first_col, sums);
  }
}

/// Errors: Refusal naming `name` for more tiles than a grid has blocks.
template <class Tile, bool kWide, class X, class Gy>
void launch_weight_grad(KernelExecutor& exec, const char* name, const GroupedExtents& p, const X& x,
                        const Gy& gy, typename Tile::Operand* gw) {
  const TileGrid tiles = tile_grid<Tile>(name, p.inner, p.cols);
  launch(exec, name, grouped_weight_grad_tile<Tile, kWide, X, Gy>,
         tile_line<Tile>(name, {p.experts, tiles.count}), p, x, gy, gw,
         static_cast<int>(tiles.count), tiles.across, wide_rows(gw, p.cols));
}

}  // namespace switchyard::kernels
