#pragma once

#include "kernels/api/moe.h"
#include "kernels/common/expert_activation.h"
#include "kernels/common/with_flag.h"
#include "kernels/cuda/gathered_rows.cuh"
#include "kernels/cuda/product_rungs.cuh"
#include "kernels/cuda/row_tile.cuh"
#include "kernels/cuda/tile_outputs.cuh"

// The way back through the second product of a token MoE layer's experts and their activation, in
// one kernel: the cotangent g = W_outᵀ gy of the hidden units never reaches memory.

namespace switchyard::kernels {

/// The operands: `inner` is the columns C of a result, `cols` the hidden units H. Results may be
/// null.
template <class T>
struct HiddenGrad : GroupedExtents {
  const T* gy;  // [tokens, C]
  SlotTokens tokens;
  const T* w;                        // [experts, C, H]
  const ResultOf<T>* token_weights;  // [tokens, k]
  const T* u;                        // [S, H']
  T* gu;                             // [S, H']
  T* h;                              // [S, H]: weighed hidden units
  ResultOf<T>* dots;                 // [S, dot_parts]: parts of <g, h>
  int dot_parts;
};

/// Parts that a row's inner product <g, h> comes in.
template <class Tile>
int dot_parts(std::int64_t hidden) {
  return static_cast<int>(tiles_along(hidden, Tile::kCols)) * Tile::kRowParts;
}

/// What ActivateExpertsGrad (kernels/api/moe.h) says, for the outputs of one thread.
template <class Tile, bool kWide, class Unit, class T>
__device__ __forceinline__ void hidden_grad_outputs(const Unit& unit, const HiddenGrad<T>& p,
                                                    const RowTile& tile, int tile_col,
                                                    typename Tile::Sums& sums) {
  using Sum = typename Tile::Sum;
  constexpr int kInputs = Unit::kInputs, kCount = Tile::kGroup;
  const std::int64_t wide = std::int64_t{p.cols} * kInputs;
  SWITCHYARD_UNROLL
  for (int i = 0; i < Tile::kThreadRows; ++i) {
    const int row = tile.first_row + Tile::row(i);
    Sum dot{0};
    if (row < tile.end_row) {
      const Sum weight = p.token_weights[p.tokens.assignment(row)];
      SWITCHYARD_UNROLL
      for (int g = 0; g < Tile::kThreadGroups; ++g) {
        const int col = tile_col * Tile::kCols + Tile::col(g);
        Pack<Sum, kCount> u[kInputs];
        SWITCHYARD_UNROLL
        for (int part = 0; part < kInputs; ++part) {
          u[part] = rounded<Sum>(read_group<kCount>(p.u + row * wide + part * std::int64_t{p.cols},
                                                    col, p.cols, kWide));
        }
        Pack<Sum, kCount> gu[2];
        Pack<Sum, kCount> h;
        SWITCHYARD_UNROLL
        for (int e = 0; e < kCount; ++e) {
          const Sum first = u[0].value[e];
          const Sum second = u[kInputs - 1].value[e];
          const Sum cotangent = Tile::output(sums, i, g, e);
          const Sum value = unit.unit(first, second);
          unit.grad(weight * cotangent, first, second, gu[0].value[e], gu[1].value[e]);
          h.value[e] = weight * value;
          if (col + e < p.cols) dot += cotangent * value;
        }
        if (p.gu != nullptr) {
          SWITCHYARD_UNROLL
          for (int part = 0; part < kInputs; ++part) {
            write_group(p.gu + row * wide + part * std::int64_t{p.cols}, col, p.cols, kWide,
                        gu[part]);
          }
        }
        if (p.h != nullptr) {
          write_group(p.h + row * std::int64_t{p.cols}, col, p.cols, kWide, h);
        }
      }
    }
    if (p.dots == nullptr) continue;  // every thread
    dot = warp_sum<Tile::kRowLanes>(dot);
    if (threadIdx.x % Tile::kRowLanes == 0 && row < tile.end_row) {
      p.dots[row * std::int64_t{p.dot_parts} + tile_col * Tile::kRowParts + Tile::row_part()] = dot;
    }
  }
}

// moe_hidden_grad_tile
//   1. a block finds its tile of an expert's slots, and each thread the tokens of the rows that it
//      will load;
//   2. the block multiplies 64 rows of gy [tokens, C] where they lie by 64 columns of W_out
//      [E, C, H]: the cotangents of 64x64 hidden units, which stay in registers;
//   3. each thread reads its units' u and writes gu [S, H'] and the weighed h [S, H];
//   4. it adds g · h over its columns of a row, the 8 or 16 lanes of the row add theirs in 3 or 4
//      shuffles, and one writes the tile's part of the row's inner product.
// Separate kernels would write and read gy's rows and g: 8 S (C + H) bytes (float32) more. The
// inner product costs one number per 64 units. No atomics: the parts are added later, in order.
template <class Tile, bool kWide, class Unit>
__global__ void __launch_bounds__(Tile::kThreads)
    moe_hidden_grad_tile(Unit unit, HiddenGrad<typename Tile::Operand> p, int tiles_across) {
  using T = typename Tile::Operand;
  __shared__ typename Tile::Shared shared;
  const auto block = static_cast<int>(blockIdx.x);
  const RowTile tile = block_row_tile(p, Tile::kRows, block / tiles_across);
  if (tile.expert < 0) return;  // the whole block
  const GatheredRows<T> gy{p.gy, p.tokens, tile.end_row, p.inner};
  const MatrixSource<T, false> w{p.w + tile.expert * p.weights(), p.cols, p.cols};
  const int tile_col = block % tiles_across;
  typename Tile::Sums sums;
  Tile::template multiply<kWide>(shared, gy, w, tile.first_row, tile_col * Tile::kCols, 0, p.inner,
                                 sums);
  hidden_grad_outputs<Tile, kWide>(unit, p, tile, tile_col, sums);
}

/// Errors: Refusal naming `name` for more tiles than a grid has blocks.
template <class Tile, class T>
void launch_hidden_grad(KernelExecutor& exec, const char* name, ExpertActivation activation,
                        const HiddenGrad<T>& p) {
  const bool wide = wide_rows(p.gy, p.inner) && wide_rows(p.w, p.cols) && wide_rows(p.u, p.cols) &&
                    wide_rows(p.gu, p.cols) && wide_rows(p.h, p.cols);
  const std::int64_t across = tiles_along(p.cols, Tile::kCols);
  with_activation(activation, [&]<class Unit>(Unit unit) {
    with_flag(wide, [&](auto is_wide) {
      launch(exec, name, moe_hidden_grad_tile<Tile, decltype(is_wide)::value, Unit>,
             Line{{most_row_tiles(p, Tile::kRows), across}, Tile::kThreads}, unit, p,
             static_cast<int>(across));
    });
  });
}

}  // namespace switchyard::kernels
