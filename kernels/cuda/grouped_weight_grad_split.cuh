#pragma once

#include "kernels/common/workspace.h"
#include "kernels/cuda/grouped_weight_grad.cuh"
#include "kernels/cuda/row_tile.cuh"

// The weight gradient of a product per expert with long segments cut into parts, so that a hot
// expert's sum is not left to the blocks of its own weights. The grid depends on the shape alone;
// which part a block has it finds from the offsets.

namespace switchyard::kernels {

/// Rows of a part of a segment: as few, between 256 and 2048, as it takes to have about 256 tiles
/// at once, and so many that parts take at most 64 Mi numbers of memory: an expert with so many
/// weights has tiles enough. A function of the sizes alone, so that the bits are the same on every
/// device.
inline int rows_of_part(const GroupedExtents& p, std::int64_t tiles, std::int64_t weights) {
  constexpr std::int64_t kTilesWanted = 256, kMostNumbers = std::int64_t{1} << 26;
  constexpr int kFewest = 256;
  const std::int64_t wanted = tiles_along(kTilesWanted, std::max<std::int64_t>(tiles, 1));
  int rows = kRowsPerSum;
  while (rows > kFewest && std::int64_t{p.rows / rows} + p.experts < wanted) rows /= 2;
  while (rows < p.rows && std::int64_t{p.rows / rows} + 1 > kMostNumbers / weights) {
    rows = rows > p.rows / 2 ? p.rows : 2 * rows;
  }
  return rows;
}

/// Where parts of segments leave their sums: the first one of a segment in gw, every further one in
/// memory of its own. Where gw is bfloat16, the first one of several is memory of its own as well,
/// so that a weight is rounded once. Parts of the same segment begin part_rows apart, and a segment
/// that has several is longer than that, so that no two further parts begin in the same part_rows
/// rows: a part's place is row / part_rows, and no prefix sum over experts is needed.
template <class T>
struct SegmentParts {
  using Sum = ResultOf<T>;
  T* gw;       // [experts, weights]
  Sum* first;  // [experts, weights]; gw itself where that holds sums
  Sum* parts;  // [places(), weights]
  int part_rows;
  int rows;

  std::int64_t places() const { return rows <= part_rows ? 0 : std::int64_t{rows / part_rows} + 1; }
  __device__ Sum* further(int row, std::int64_t weights) const {
    return parts + row / part_rows * weights;
  }
};

// grouped_weight_grad_part
//   1. block (part, tile) finds its part of a segment, its first warp by a prefix sum over the
//      experts' parts. Every expert has one at least: an empty expert's blocks write zeros;
//   2. it sums over the part's rows as grouped_weight_grad_tile does and writes the sum where
//      SegmentParts says, in bfloat16 only what is a segment's whole sum.
// Reads x once per kCols columns and gy once per kRows rows of an expert's weights, whatever the
// number of parts.
template <class Tile, bool kWide>
__global__ void __launch_bounds__(Tile::kThreads, Tile::blocks(false))
    grouped_weight_grad_part(GroupedExtents p, const typename Tile::Operand* x,
                             const typename Tile::Operand* gy,
                             SegmentParts<typename Tile::Operand> sums_of_parts, int tiles,
                             int tiles_across, bool wide_gw) {
  using T = typename Tile::Operand;
  using Sum = typename Tile::Sum;
  auto& shared = tile_shared<Tile>();
  __shared__ SegmentSearch::Found found;
  const auto block = static_cast<int>(blockIdx.x);
  const int part_rows = sums_of_parts.part_rows;
  if (threadIdx.x < kWarp) {
    const SegmentSearch::Found mine = SegmentSearch().find(
        p.offsets, p.experts, block / tiles,
        [part_rows](int rows) { return std::max(row_tiles(rows, part_rows), 1); });
    if (threadIdx.x == 0) found = mine;
  }
  __syncthreads();
  if (found.expert < 0) return;  // the whole block
  const int begin = found.begin + found.item * part_rows;
  const int end = found.end - begin > part_rows ? begin + part_rows : found.end;
  const int first_row = block % tiles / tiles_across * Tile::kRows;
  const int first_col = block % tiles % tiles_across * Tile::kCols;
  Sum* const to = found.item > 0 ? sums_of_parts.further(begin, p.weights())
                                 : sums_of_parts.first + found.expert * p.weights();
  const MatrixSink<Sum> sink{to, p.inner, p.cols, wide_gw};
  const MatrixSource<T, false> source_x{x, p.inner, p.inner};
  const MatrixSource<T, false> source_gy{gy, p.cols, p.cols};
  typename Tile::Sums sums;
  constexpr bool kStartsAgain = std::is_same_v<T, Sum>;  // as in grouped_weight_grad_tile
  int from = begin;
  do {
    const int until = kStartsAgain && end - from > kRowsPerSum ? from + kRowsPerSum : end;
    Tile::template multiply<kWide>(shared, source_x, source_gy, first_row, first_col, from, until,
                                   sums);
    if (kStartsAgain || found.end - found.begin > part_rows) {
      store_outputs<Tile>(sink, computed_here(first_row), first_col, sums, from > begin);
    } else if constexpr (!kStartsAgain) {
      T* const gw = sums_of_parts.gw + found.expert * p.weights();
      store_outputs<Tile>(MatrixSink<T>{gw, p.inner, p.cols, wide_gw}, computed_here(first_row),
                          first_col, sums);
    }
    from = until;
    __syncthreads();  // the next product overwrites the tiles
  } while (from < end);
}

// add_segment_parts
//   1. block (expert, 256 weights) ends at once unless the expert's segment has several parts;
//   2. each thread adds one weight's, the first part first.
// Reads and writes only the experts that were split.
template <class T>
__global__ void add_segment_parts(GroupedExtents p, SegmentParts<T> sums, int blocks_a_expert) {
  const auto block = static_cast<int>(blockIdx.x);
  const int expert = block / blocks_a_expert;
  const auto begin = static_cast<int>(p.offsets[expert]);
  const auto end = static_cast<int>(p.offsets[expert + 1]);
  if (end - begin <= sums.part_rows) return;
  const std::int64_t weights = p.weights();
  const std::int64_t i = std::int64_t{block % blocks_a_expert} * blockDim.x + threadIdx.x;
  if (i >= weights) return;
  ResultOf<T> sum = sums.first[expert * weights + i];
  for (int row = begin; end - row > sums.part_rows;) {
    row += sums.part_rows;
    sum += sums.further(row, weights)[i];
  }
  sums.gw[expert * weights + i] = convert_element<T>(sum);
}

/// Errors: Refusal naming `name` for more blocks than a grid has.
template <class Tile, bool kWide, class T>
void launch_split_weight_grad(KernelExecutor& exec, const char* name,
                              const GroupedMatmulWeightGrad<T>& a) {
  constexpr int kThreads = 256;
  const GroupedExtents p = grouped_extents(name, a.shape, a.offsets);
  const TileGrid tiles = tile_grid<Tile>(name, p.inner, p.cols);
  if (tiles.count == 0) return;
  const std::int64_t weights = std::int64_t{p.inner} * p.cols;
  const std::int64_t small_tiles = tiles_along(p.inner, 64) * tiles_along(p.cols, 64);
  using Sum = ResultOf<T>;
  SegmentParts<T> sums{a.gw, nullptr, nullptr, rows_of_part(p, small_tiles, weights), p.rows};
  const Workspace<Sum> parts(exec, sums.places() * weights);
  sums.parts = parts.data();
  constexpr bool kHoldsSums = std::is_same_v<T, Sum>;
  const bool may_split = sums.places() > 0;
  const Workspace<Sum> first(exec, !kHoldsSums && may_split ? p.experts * weights : 0);
  if constexpr (kHoldsSums) {
    sums.first = a.gw;
  } else {
    sums.first = first.data();
  }
  launch(exec, name, grouped_weight_grad_part<Tile, kWide>,
         tile_line<Tile>(name, {p.rows / sums.part_rows + p.experts, tiles.count}), p, a.x, a.gy,
         sums, static_cast<int>(tiles.count), tiles.across, wide_rows(a.gw, p.cols));
  if (!may_split) return;
  const int blocks = checked_extent(name, "weights", {tiles_along(weights, kThreads)});
  launch(exec, "add_segment_parts", add_segment_parts<T>, Line{{p.experts, blocks}, kThreads}, p,
         sums, blocks);
}

}  // namespace switchyard::kernels
