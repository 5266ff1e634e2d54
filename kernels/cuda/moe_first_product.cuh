#pragma once

#include "kernels/api/moe.h"
#include "kernels/common/expert_activation.h"
#include "kernels/common/with_flag.h"
#include "kernels/cuda/gathered_rows.cuh"
#include "kernels/cuda/product_rungs.cuh"
#include "kernels/cuda/row_tile.cuh"
#include "kernels/cuda/tile_outputs.cuh"

// The first product of a token MoE layer's experts, with everything around it: rows are read
// through the permutation, bias and activation are applied before anything is written.

namespace switchyard::kernels {

/// The operands: `inner` is a token's width D, `cols` the hidden units H.
template <class T>
struct FirstProduct : GroupedExtents {
  const T* x;  // [tokens, D]
  SlotTokens tokens;
  const T* w;     // [experts, H', D]
  const T* bias;  // [experts, H'] or null
  T* u;           // [S, H'] or null
  T* h;           // [S, H] or null
};

/// An expert's matrix as the columns of a tile: rows of H' as they lie, or where two make a unit
/// kPair of its first half, the kPair of the second half that belong to them, and so on. A thread
/// then holds both pre-activations of its units.
template <class T, int kPair>
struct PairedRows {
  using Element = T;
  static constexpr bool kAlongDepth = true;
  const T* data;  // [2 H, D]
  int units;
  std::int64_t stride;

  using Row = const T*;
  __device__ __forceinline__ Row row(int col) const {
    const int unit = unit_of(col);
    const std::int64_t second = col / kPair % 2 * std::int64_t{units};
    return unit < units ? data + (second + unit) * stride : nullptr;
  }
  __device__ __forceinline__ const T* at(const Row& row, int depth) const {
    return row == nullptr ? nullptr : row + depth;
  }
  static __device__ __forceinline__ int unit_of(int col) {
    return col / (2 * kPair) * kPair + col % kPair;
  }
};

/// Adds the bias, writes u, and writes h.
template <class Tile, bool kWide, class Unit, class T>
__device__ __forceinline__ void activate_outputs(const Unit& unit, const FirstProduct<T>& p,
                                                 const RowTile& tile, int first_col,
                                                 typename Tile::Sums& sums) {
  using Sum = typename Tile::Sum;
  constexpr int kInputs = Unit::kInputs, kCount = Tile::kGroup;
  constexpr int kGroups = Tile::kThreadGroups / kInputs;
  const std::int64_t wide = std::int64_t{p.cols} * kInputs;
  SWITCHYARD_UNROLL
  for (int g = 0; g < kGroups; ++g) {
    const int column = first_col + Tile::col(g);
    const int at = kInputs == 2 ? PairedRows<T, Tile::kPair>::unit_of(column) : column;
    Pack<Sum, kCount> bias[kInputs] = {};
    if (p.bias != nullptr) {
      SWITCHYARD_UNROLL
      for (int part = 0; part < kInputs; ++part) {
        bias[part] = rounded<Sum>(read_group<kCount>(
            p.bias + tile.expert * wide + part * std::int64_t{p.cols}, at, p.cols, false));
      }
    }
    SWITCHYARD_UNROLL
    for (int i = 0; i < Tile::kThreadRows; ++i) {
      const int row = tile.first_row + Tile::row(i);
      Pack<Sum, kCount> u[kInputs];
      SWITCHYARD_UNROLL
      for (int part = 0; part < kInputs; ++part) {
        SWITCHYARD_UNROLL
        for (int e = 0; e < kCount; ++e) {
          u[part].value[e] = Tile::output(sums, i, g + part * kGroups, e) + bias[part].value[e];
        }
      }
      if (row >= tile.end_row) continue;
      if (p.u != nullptr) {
        SWITCHYARD_UNROLL
        for (int part = 0; part < kInputs; ++part) {
          write_group(p.u + row * wide + part * std::int64_t{p.cols}, at, p.cols, kWide, u[part]);
        }
      }
      if (p.h == nullptr) continue;
      Pack<Sum, kCount> h;
      SWITCHYARD_UNROLL
      for (int e = 0; e < kCount; ++e) {
        h.value[e] = unit.unit(u[0].value[e], u[kInputs - 1].value[e]);
      }
      write_group(p.h + row * std::int64_t{p.cols}, at, p.cols, kWide, h);
    }
  }
}

// moe_first_product_tile
//   1. a block finds its tile of an expert's slots (row_tile.cuh), and each thread the tokens of
//      the rows that it will load: one look at the permutation and one multiplication a row;
//   2. the block multiplies 64 rows of x [tokens, D] where they lie by 64 rows of W_in [E, H', D],
//      of which with SwiGLU 32 belong to the first inputs of 32 units and 32 to the second;
//   3. each thread adds the biases to its sums: u [S, H'], written if somebody wants it;
//   4. it makes hidden units of them and writes h [S, H].
// A gathered copy would be written and read once more, 8 S D bytes (float32), and a separate
// activation would read u and write h: here u is written once or not at all and never read. The
// terms of an output are added in ascending order, whatever else is in the batch.
template <class Tile, bool kWide, class Unit>
__global__ void __launch_bounds__(Tile::kThreads)
    moe_first_product_tile(Unit unit, FirstProduct<typename Tile::Operand> p, int tiles_across) {
  using T = typename Tile::Operand;
  __shared__ typename Tile::Shared shared;
  const auto block = static_cast<int>(blockIdx.x);
  const RowTile tile = block_row_tile(p, Tile::kRows, block / tiles_across);
  if (tile.expert < 0) return;  // the whole block
  const T* const w_e = p.w + tile.expert * (Unit::kInputs * p.weights());
  const GatheredRows<T> x{p.x, p.tokens, tile.end_row, p.inner};
  const int first_col = block % tiles_across * Tile::kCols;
  typename Tile::Sums sums;
  if constexpr (Unit::kInputs == 2) {
    const PairedRows<T, Tile::kPair> w{w_e, p.cols, p.inner};
    Tile::template multiply<kWide>(shared, x, w, tile.first_row, first_col, 0, p.inner, sums);
  } else {
    const MatrixSource<T, true> w{w_e, p.cols, p.inner};
    Tile::template multiply<kWide>(shared, x, w, tile.first_row, first_col, 0, p.inner, sums);
  }
  activate_outputs<Tile, kWide>(unit, p, tile, first_col, sums);
}

/// Errors: Refusal naming `name` for more tiles than a grid has blocks.
template <class Tile, class T>
void launch_first_product(KernelExecutor& exec, const char* name, ExpertActivation activation,
                          const FirstProduct<T>& p) {
  const bool wide = wide_rows(p.x, p.inner) && wide_rows(p.w, p.inner) && wide_rows(p.u, p.cols) &&
                    wide_rows(p.h, p.cols);
  with_activation(activation, [&]<class Unit>(Unit unit) {
    const std::int64_t across = tiles_along(p.cols, Tile::kCols / Unit::kInputs);
    with_flag(wide, [&](auto is_wide) {
      launch(exec, name, moe_first_product_tile<Tile, decltype(is_wide)::value, Unit>,
             Line{{most_row_tiles(p, Tile::kRows), across}, Tile::kThreads}, unit, p,
             static_cast<int>(across));
    });
  });
}

}  // namespace switchyard::kernels
