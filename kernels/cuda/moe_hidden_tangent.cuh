#pragma once

#include "kernels/common/expert_tangent.h"
#include "kernels/common/with_flag.h"
#include "kernels/cuda/gathered_rows.cuh"
#include "kernels/cuda/product_rungs.cuh"
#include "kernels/cuda/row_tile.cuh"
#include "kernels/cuda/tile_outputs.cuh"

// The second order of a token MoE layer around its hidden units, in one kernel: the cotangents g
// and dg never reach memory (kernels/api/moe_double_backward.h).

namespace switchyard::kernels {

/// The operands: `inner` is the columns C of a result, `cols` the hidden units H. Results may be
/// null.
template <class T>
struct HiddenTangent : GroupedExtents {
  const T* gy;  // [tokens, C]
  SlotTokens tokens;
  const T *w, *v_w;                    // [experts, C, H]; the direction's may be null
  const T *token_weights, *v_weights;  // [tokens, k]; the direction's may be null
  const T *u, *du;                     // [S, H']
  T *gu2, *gu;                         // [S, H']
  T *p, *h;                            // [S, H]; h times its weight
  T* dots;                             // [S, dot_parts]: parts of <g, dh> + <dg, h>
  int dot_parts;
};

/// What MoeDoubleBackward says between the products, for the outputs of one thread.
template <class Tile, bool kWide, class Unit, class T>
__device__ __forceinline__ void hidden_tangent_outputs(const Unit& unit, const HiddenTangent<T>& p,
                                                       const RowTile& tile, int tile_col,
                                                       typename Tile::Sums& g_sums,
                                                       typename Tile::Sums& dg_sums) {
  constexpr int kInputs = Unit::kInputs, kCount = Tile::kGroup;
  const std::int64_t wide = std::int64_t{p.cols} * kInputs;
  SWITCHYARD_UNROLL
  for (int i = 0; i < Tile::kThreadRows; ++i) {
    const int row = tile.first_row + Tile::row(i);
    T dot{0};
    if (row < tile.end_row) {
      const int assignment = p.tokens.assignment(row);
      const T weight = p.token_weights[assignment];
      const T v_weight = p.v_weights == nullptr ? T{0} : p.v_weights[assignment];
      SWITCHYARD_UNROLL
      for (int group = 0; group < Tile::kThreadGroups; ++group) {
        const int col = tile_col * Tile::kCols + Tile::col(group);
        Pack<T, kCount> u[kInputs], du[kInputs];
        SWITCHYARD_UNROLL
        for (int part = 0; part < kInputs; ++part) {
          const std::int64_t at = row * wide + part * std::int64_t{p.cols};
          u[part] = read_group<kCount>(p.u + at, col, p.cols, kWide);
          du[part] = read_group<kCount>(p.du + at, col, p.cols, kWide);
        }
        Pack<T, kCount> gu2[kInputs], gu[kInputs], left, h;
        SWITCHYARD_UNROLL
        for (int e = 0; e < kCount; ++e) {
          const T g = Tile::output(g_sums, i, group, e);
          const T dg = Tile::output(dg_sums, i, group, e);
          const UnitTangent<T> t =
              unit_tangent(unit, v_weight * g + weight * dg, weight * g, u[0].value[e],
                           u[kInputs - 1].value[e], du[0].value[e], du[kInputs - 1].value[e]);
          gu2[0].value[e] = t.gu;
          gu[0].value[e] = t.gdu;
          if constexpr (kInputs == 2) {
            gu2[1].value[e] = t.gsecond;
            gu[1].value[e] = t.gdsecond;
          }
          left.value[e] = weight * t.dh + v_weight * t.h;
          h.value[e] = weight * t.h;
          if (col + e < p.cols) dot += g * t.dh + dg * t.h;
        }
        SWITCHYARD_UNROLL
        for (int part = 0; part < kInputs; ++part) {
          const std::int64_t at = row * wide + part * std::int64_t{p.cols};
          if (p.gu2 != nullptr) write_group(p.gu2 + at, col, p.cols, kWide, gu2[part]);
          if (p.gu != nullptr) write_group(p.gu + at, col, p.cols, kWide, gu[part]);
        }
        const std::int64_t at = row * std::int64_t{p.cols};
        if (p.p != nullptr) write_group(p.p + at, col, p.cols, kWide, left);
        if (p.h != nullptr) write_group(p.h + at, col, p.cols, kWide, h);
      }
    }
    if (p.dots == nullptr) continue;  // every thread
    dot = warp_sum<Tile::kRowLanes>(dot);
    if (threadIdx.x % Tile::kRowLanes == 0 && row < tile.end_row) {
      p.dots[row * std::int64_t{p.dot_parts} + tile_col * Tile::kRowParts + Tile::row_part()] = dot;
    }
  }
}

// moe_hidden_tangent_tile
//   1. a block finds its tile of an expert's slots, and each thread the tokens of the rows that it
//      will load;
//   2. the block multiplies 64 rows of gy [tokens, C] where they lie by 64 columns of W_out
//      [E, C, H], and by the same columns of the direction's: the cotangents g and dg of 64x64
//      hidden units, which stay in registers;
//   3. each thread reads its units' u and du and writes gu2 and gu [S, H'], p and the weighed h
//      [S, H];
//   4. the row's lanes put together its part of <g, dh> + <dg, h>, as moe_hidden_grad_tile does.
// Separate kernels would write and read g and dg, and read u, du, g and dg again for each of four
// results: 8 S H bytes (float32) for either cotangent alone.
template <class Tile, bool kWide, class Unit>
__global__ void __launch_bounds__(Tile::kThreads)
    moe_hidden_tangent_tile(Unit unit, HiddenTangent<typename Tile::Operand> p, int tiles_across) {
  using T = typename Tile::Operand;
  __shared__ typename Tile::Shared shared;
  const auto block = static_cast<int>(blockIdx.x);
  const RowTile tile = block_row_tile(p, Tile::kRows, block / tiles_across);
  if (tile.expert < 0) return;  // the whole block
  const GatheredRows<T> gy{p.gy, p.tokens, tile.end_row, p.inner};
  const MatrixSource<T, false> w{p.w + tile.expert * p.weights(), p.cols, p.cols};
  const T* const v_w_e = p.v_w == nullptr ? nullptr : p.v_w + tile.expert * p.weights();
  const MatrixSource<T, false> v_w{v_w_e, p.cols, p.cols};
  const int tile_col = block % tiles_across;
  const int first_col = tile_col * Tile::kCols;
  typename Tile::Sums g, dg;
  Tile::template multiply<kWide>(shared, gy, w, tile.first_row, first_col, 0, p.inner, g);
  __syncthreads();  // the second product overwrites the tiles
  Tile::template multiply<kWide>(shared, gy, v_w, tile.first_row, first_col, 0,
                                 p.v_w == nullptr ? 0 : p.inner, dg);
  hidden_tangent_outputs<Tile, kWide>(unit, p, tile, tile_col, g, dg);
}

/// Errors: Refusal naming `name` for more tiles than a grid has blocks.
template <class Tile, class T>
void launch_hidden_tangent(KernelExecutor& exec, const char* name, ExpertActivation activation,
                           const HiddenTangent<T>& p) {
  const bool wide = wide_rows(p.gy, p.inner) && wide_rows(p.w, p.cols) &&
                    wide_rows(p.v_w, p.cols) && wide_rows(p.u, p.cols) && wide_rows(p.du, p.cols) &&
                    wide_rows(p.gu2, p.cols) && wide_rows(p.gu, p.cols) && wide_rows(p.p, p.cols) &&
                    wide_rows(p.h, p.cols);
  const std::int64_t across = tiles_along(p.cols, Tile::kCols);
  with_activation(activation, [&]<class Unit>(Unit unit) {
    with_flag(wide, [&](auto is_wide) {
      launch(exec, name, moe_hidden_tangent_tile<Tile, decltype(is_wide)::value, Unit>,
             Line{{most_row_tiles(p, Tile::kRows), across}, Tile::kThreads}, unit, p,
             static_cast<int>(across));
    });
  });
}

}  // namespace switchyard::kernels
