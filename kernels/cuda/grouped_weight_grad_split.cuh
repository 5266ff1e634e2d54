#pragma once

#include "kernels/common/convert.h"
#include "kernels/common/workspace.h"
#include "kernels/cuda/grouped_weight_grad.cuh"
#include "kernels/cuda/row_tile.cuh"

// The weight gradient of a product per expert with long segments cut into parts, so that a hot
// expert's sum is not left to the blocks of its own weights. The grid depends on the shape alone;
// which part a block has it finds from the offsets.

namespace switchyard::kernels {

/// Rows of a part of a segment: as few, between 256 and 2048, as it takes to have about 256 tiles
/// at once. A function of the sizes alone, so that the bits are the same on every device.
inline int rows_of_part(const GroupedExtents& p, std::int64_t tiles) {
  constexpr std::int64_t kTilesWanted = 256;
  constexpr int kFewest = 256;
  int rows = kRowsPerSum;
  while (rows > kFewest && tiles * (p.rows / rows + p.experts) < kTilesWanted) rows /= 2;
  return rows;
}

/// Where parts of segments leave their sums. An expert whose segment is one part has its own in gw.
/// Of the others the first part is there too if a sum fits it, and every further one is in memory
/// of its own. Parts of the same segment begin part_rows apart, and only whole segments of more
/// rows than that have any, so that no two further parts begin in the same part_rows rows: a part's
/// place is row / part_rows, and no prefix sum over experts is needed. The same holds for first
/// parts.
template <class T, class Sum>
struct SegmentParts {
  static constexpr bool kFirstInPlace = std::is_same_v<T, Sum>;
  T* gw;       // [experts, weights]
  Sum* parts;  // [places(), weights]
  int part_rows;
  int rows;

  /// Places of further parts, and of first parts behind them.
  SWITCHYARD_HOST_DEVICE int of_one_kind() const { return rows / part_rows + 1; }
  std::int64_t places() const {
    return rows <= part_rows ? 0 : std::int64_t{of_one_kind()} * (kFirstInPlace ? 1 : 2);
  }
  __device__ Sum* first(int row, std::int64_t weights) const {
    return parts + (of_one_kind() + row / part_rows) * weights;
  }
  __device__ Sum* further(int row, std::int64_t weights) const {
    return parts + row / part_rows * weights;
  }
};

// grouped_weight_grad_part
//   1. block (part, tile) finds its part of a segment, its first warp by a prefix sum over the
//      experts' parts. Every expert has one at least: an empty expert's blocks write zeros;
//   2. it sums over the part's rows and writes the sum where SegmentParts says.
// Reads x once per kCols columns and gy once per kRows rows of an expert's weights, whatever the
// number of parts.
template <class Tile, bool kWide>
__global__ void __launch_bounds__(Tile::kThreads, Tile::blocks(false))
    grouped_weight_grad_part(GroupedExtents p, const typename Tile::Operand* x,
                             const typename Tile::Operand* gy,
                             SegmentParts<typename Tile::Operand, typename Tile::Sum> sums_of_parts,
                             int tiles, int tiles_across, bool wide_gw) {
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
  const int end = std::min(begin + part_rows, found.end);
  const int first_row = block % tiles / tiles_across * Tile::kRows;
  const int first_col = block % tiles % tiles_across * Tile::kCols;
  typename Tile::Sums sums;
  Tile::template multiply<kWide>(shared, MatrixSource<T, false>{x, p.inner, p.inner},
                                 MatrixSource<T, false>{gy, p.cols, p.cols}, first_row, first_col,
                                 begin, end, sums);
  const auto write = [&](auto* to) {
    store_outputs<Tile>(
        MatrixSink<std::remove_pointer_t<decltype(to)>>{to, p.inner, p.cols, wide_gw}, first_row,
        first_col, sums, false);
  };
  const bool is_split = found.end - found.begin > part_rows;
  if (is_split && found.item > 0) {
    write(sums_of_parts.further(begin, p.weights()));
  } else if (is_split && !std::is_same_v<T, Sum>) {
    write(sums_of_parts.first(begin, p.weights()));
  } else {
    write(sums_of_parts.gw + found.expert * p.weights());
  }
}

// add_segment_parts
//   1. block (expert, 256 weights) ends at once unless the expert's segment has several parts;
//   2. each thread adds one weight's, the first part first.
// Reads and writes only the experts that were split.
template <class T, class Sum>
__global__ void add_segment_parts(GroupedExtents p, SegmentParts<T, Sum> sums,
                                  int blocks_a_expert) {
  const auto block = static_cast<int>(blockIdx.x);
  const int expert = block / blocks_a_expert;
  const auto begin = static_cast<int>(p.offsets[expert]);
  const auto end = static_cast<int>(p.offsets[expert + 1]);
  if (end - begin <= sums.part_rows) return;
  const std::int64_t weights = p.weights();
  const std::int64_t i = std::int64_t{block % blocks_a_expert} * blockDim.x + threadIdx.x;
  if (i >= weights) return;
  T& weight = sums.gw[expert * weights + i];
  Sum sum;
  if constexpr (SegmentParts<T, Sum>::kFirstInPlace) {
    sum = weight;
  } else {
    sum = sums.first(begin, weights)[i];
  }
  for (int row = begin + sums.part_rows; row < end; row += sums.part_rows) {
    sum += sums.further(row, weights)[i];
  }
  weight = convert_element<T>(sum);
}

/// Errors: Refusal naming `name` for more blocks than a grid has.
template <class Tile, bool kWide, class T>
void launch_split_weight_grad(KernelExecutor& exec, const char* name,
                              const GroupedMatmulWeightGrad<T>& a) {
  using Sum = typename Tile::Sum;
  constexpr int kThreads = 256;
  const GroupedExtents p = grouped_extents(name, a.shape, a.offsets);
  const TileGrid tiles = tile_grid<Tile>(name, p.inner, p.cols);
  const std::int64_t weights = std::int64_t{p.inner} * p.cols;
  SegmentParts<T, Sum> sums{
      a.gw, nullptr, rows_of_part(p, tiles_along(p.inner, 64) * tiles_along(p.cols, 64)), p.rows};
  const Workspace<Sum> parts(exec, sums.places() * weights);
  sums.parts = parts.data();
  launch(exec, name, grouped_weight_grad_part<Tile, kWide>,
         tile_line<Tile>(name, {p.rows / sums.part_rows + p.experts, tiles.count}), p, a.x, a.gy,
         sums, static_cast<int>(tiles.count), tiles.across, wide_rows(a.gw, p.cols));
  if (sums.places() == 0) return;
  const int blocks = checked_extent(name, "weights", {tiles_along(weights, kThreads)});
  launch(exec, "add_segment_parts", add_segment_parts<T, Sum>, Line{{p.experts, blocks}, kThreads},
         p, sums, blocks);
}

}  // namespace switchyard::kernels
