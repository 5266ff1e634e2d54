#pragma once

#include "kernels/common/launch.h"
#include "kernels/common/with_flag.h"
#include "kernels/cuda/grouped_weight_grad.cuh"
#include "kernels/cuda/product_rungs.cuh"
#include "kernels/cuda/row_tile.cuh"

// Two products per expert that end in the same sums, as the second order of a token MoE layer has
// them: rows times the experts' matrices, and other rows times the direction's. To a tile they are
// one product, whose depth is that of both.

namespace switchyard::kernels {

/// Two operands one behind the other: depth below `split` is the first one's, and the second one's
/// begins there with its own depth `begin`.
template <class Source>
struct Consecutive {
  using Element = typename Source::Element;
  static constexpr bool kAlongDepth = Source::kAlongDepth;
  Source first, second;
  int split, begin;

  struct Row {
    typename Source::Row first, second;
  };
  __device__ __forceinline__ Row row(int r) const { return {first.row(r), second.row(r)}; }
  __device__ __forceinline__ const Element* at(const Row& row, int depth) const {
    return depth < split ? first.at(row.first, depth)
                         : second.at(row.second, depth - split + begin);
  }
};

template <class Source>
__device__ __forceinline__ Consecutive<Source> consecutive(const Source& first,
                                                           const Source& second, int split,
                                                           int begin) {
  return {first, second, split, begin};
}

/// Each slot's row of a bias, times the weight of its assignment.
template <class T>
struct SlotBias {
  const T* bias;     // [experts, cols] or null
  const T* weights;  // [tokens, k], or null for ones
};

/// Rows of one product and their matrices; null matrices: no such product.
template <class T>
struct RowsByMatrix {
  const T* x;  // [S, inner], or [tokens, inner] where rows are gathered
  const T* w;  // [experts, inner, cols], or transposed
};

/// The operands: y = Σ x w over both products, plus both biases.
template <class T>
struct TwoProducts : GroupedExtents {
  SlotTokens tokens;
  RowsByMatrix<T> products[2];
  SlotBias<T> biases[2];
  T* y;  // [S, cols]
};

/// Adds a weighed bias to a thread's sums.
template <class Tile, class T>
__device__ __forceinline__ void add_slot_bias(const SlotBias<T>& p, const SlotTokens& tokens,
                                              const RowTile& tile, int cols, int first_col,
                                              typename Tile::Sums& sums) {
  if (p.bias == nullptr) return;
  SWITCHYARD_UNROLL
  for (int i = 0; i < Tile::kThreadRows; ++i) {
    const int row = tile.first_row + Tile::row(i);
    if (row >= tile.end_row) continue;
    const T weight = p.weights == nullptr ? T{1} : p.weights[tokens.assignment(row)];
    SWITCHYARD_UNROLL
    for (int g = 0; g < Tile::kThreadGroups; ++g) {
      const auto bias = read_group<Tile::kGroup>(p.bias + tile.expert * std::int64_t{cols},
                                                 first_col + Tile::col(g), cols, false);
      SWITCHYARD_UNROLL
      for (int e = 0; e < Tile::kGroup; ++e) {
        Tile::output(sums, i, g, e) += weight * bias.value[e];
      }
    }
  }
}

// moe_two_products_tile
//   1. a block finds its tile of an expert's slots (row_tile.cuh);
//   2. it multiplies 64 rows of the first x by the expert's matrix, and goes on with 64 of the
//      second and the direction's; the sums are the same registers. Rows are read where they lie:
//      in the order of the slots, or through the permutation;
//   3. each thread adds the biases, each times its slot's weight, and writes its outputs once.
// Two kernels and a sum would write and read S cols numbers three times more, 12 S cols bytes
// (float32). Terms are added in ascending order, the first product's before the second's, whatever
// else is in the batch.
template <class Tile, bool kWide, bool kGathered, bool kTransposeW>
__global__ void __launch_bounds__(Tile::kThreads)
    moe_two_products_tile(TwoProducts<typename Tile::Operand> p, int tiles_across, bool wide_y) {
  using T = typename Tile::Operand;
  __shared__ typename Tile::Shared shared;
  const auto block = static_cast<int>(blockIdx.x);
  const RowTile tile = block_row_tile(p, Tile::kRows, block / tiles_across);
  if (tile.expert < 0) return;  // the whole block
  const int first_col = block % tiles_across * Tile::kCols;
  const auto rows = [&](const T* x) {
    if constexpr (kGathered) {
      return GatheredRows<T>{x, p.tokens, tile.end_row, p.inner};
    } else {
      return MatrixSource<T, true>{x, tile.end_row, p.inner};
    }
  };
  const auto matrix = [&](const T* w) {
    return MatrixSource<T, kTransposeW>{w == nullptr ? w : w + tile.expert * p.weights(), p.cols,
                                        kTransposeW ? p.inner : p.cols};
  };
  const RowsByMatrix<T>& one = p.products[0];
  const RowsByMatrix<T>& other = p.products[1];
  const int split = one.w == nullptr ? 0 : p.inner;
  const int depth = split + (other.w == nullptr ? 0 : p.inner);
  const auto left = consecutive(rows(one.x), rows(other.x), split, 0);
  const auto right = consecutive(matrix(one.w), matrix(other.w), split, 0);
  typename Tile::Sums sums;
  Tile::template multiply<kWide>(shared, left, right, tile.first_row, first_col, 0, depth, sums);
  add_slot_bias<Tile>(p.biases[0], p.tokens, tile, p.cols, first_col, sums);
  add_slot_bias<Tile>(p.biases[1], p.tokens, tile, p.cols, first_col, sums);
  store_outputs<Tile>(MatrixSink<T>{p.y, tile.end_row, p.cols, wide_y}, tile.first_row, first_col,
                      sums, false);
}

/// The operands of a gradient gw_e = Σ over an expert's slots of x gyᵀ for both pairs.
template <class T>
struct TwoWeightGrads : GroupedExtents {
  SlotRows<T> x[2];    // [S, inner]
  TokenRows<T> gy[2];  // [tokens, cols]
  T* gw;               // [experts, inner, cols]
};

// moe_two_weight_grads_tile
//   as grouped_weight_grad_tile (grouped_weight_grad.cuh), with the second pair's slots behind the
//   first's in each stretch of 2048: the tokens are looked up once for both, and gw [E, inner,
//   cols] is written once instead of twice and read.
template <class Tile, bool kWide>
__global__ void __launch_bounds__(Tile::kThreads, Tile::blocks(false))
    moe_two_weight_grads_tile(TwoWeightGrads<typename Tile::Operand> p, int tiles, int tiles_across,
                              bool wide_gw) {
  using T = typename Tile::Operand;
  __shared__ typename Tile::Shared shared;
  __shared__ int tokens[kRowsPerSum];
  const auto block = static_cast<int>(blockIdx.x);
  const int expert = block / tiles;
  const int first_row = block % tiles / tiles_across * Tile::kRows;
  const int first_col = block % tiles % tiles_across * Tile::kCols;
  const auto begin = static_cast<int>(p.offsets[expert]);
  const auto end = static_cast<int>(p.offsets[expert + 1]);
  const MatrixSink<T> sink{p.gw + expert * p.weights(), p.inner, p.cols, wide_gw};
  typename Tile::Sums sums;
  int from = begin;
  do {
    const int to = end - from > kRowsPerSum ? from + kRowsPerSum : end;
    for (int slot = from + static_cast<int>(threadIdx.x); slot < to; slot += Tile::kThreads) {
      tokens[slot - from] = p.gy[0].token(slot);
    }
    __syncthreads();
    const auto x = consecutive(p.x[0].source(tokens, from, p.inner),
                               p.x[1].source(tokens, from, p.inner), to, from);
    const auto gy = consecutive(p.gy[0].source(tokens, from, p.cols),
                                p.gy[1].source(tokens, from, p.cols), to, from);
    Tile::template multiply<kWide>(shared, x, gy, first_row, first_col, from, 2 * to - from, sums);
    store_outputs<Tile>(sink, first_row, first_col, sums, from > begin);
    from = to;
    __syncthreads();  // the next product overwrites the tiles
  } while (from < end);
}

/// Errors: Refusal naming `name` for more tiles than a grid has blocks.
template <class Tile, class T>
void launch_two_weight_grads(KernelExecutor& exec, const char* name, const TwoWeightGrads<T>& p) {
  const TileGrid tiles = tile_grid<Tile>(name, p.inner, p.cols);
  bool wide = true;
  for (int i = 0; i < 2; ++i) {
    wide = wide && wide_rows(p.x[i].data, p.inner) && wide_rows(p.gy[i].data, p.cols);
  }
  with_flag(wide, [&](auto is_wide) {
    launch(exec, name, moe_two_weight_grads_tile<Tile, decltype(is_wide)::value>,
           Line{{p.experts, tiles.count}, Tile::kThreads}, p, static_cast<int>(tiles.count),
           tiles.across, wide_rows(p.gw, p.cols));
  });
}

/// Errors: Refusal naming `name` for more tiles than a grid has blocks.
template <class Tile, bool kGathered, bool kTransposeW, class T>
void launch_two_products(KernelExecutor& exec, const char* name, const TwoProducts<T>& p) {
  const std::int64_t across = tiles_along(p.cols, Tile::kCols);
  bool wide = true;
  for (const RowsByMatrix<T>& each : p.products) {
    wide = wide && wide_rows(each.x, p.inner) && wide_rows(each.w, kTransposeW ? p.inner : p.cols);
  }
  with_flag(wide, [&](auto is_wide) {
    launch(exec, name,
           moe_two_products_tile<Tile, decltype(is_wide)::value, kGathered, kTransposeW>,
           Line{{most_row_tiles(p, Tile::kRows), across}, Tile::kThreads}, p,
           static_cast<int>(across), wide_rows(p.y, p.cols));
  });
}

}  // namespace switchyard::kernels
