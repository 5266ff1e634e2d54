#pragma once

#include <algorithm>

#include "kernels/common/launch.h"
#include "kernels/common/warp.h"
#include "kernels/cuda/grouped_extents.cuh"

// How a block of a product per expert finds its rows. There are as many blocks as the tiles of all
// segments can be at most: the grid does not depend on the routing, and nothing is copied to the
// host.

namespace switchyard::kernels {

/// Finds the experts that work belongs to, for ascending numbers of its items. A warp looks at 32
/// experts at a time: each lane counts the items of one, a prefix sum numbers them. A search goes
/// on where the last one ended, so that all of them together read each offset once. All 32 lanes
/// must call it, and every lane gets the answer.
class SegmentSearch {
 public:
  struct Found {
    int expert;      // < 0: none
    int begin, end;  // of its segment
    int item;        // number among the expert's
  };

  /// The expert of item number `index` where a segment of n rows has items_of(n) items.
  template <class ItemsOf>
  __device__ __forceinline__ Found find(const std::int64_t* offsets, int experts, int index,
                                        const ItemsOf& items_of) {
    const auto lane = static_cast<int>(threadIdx.x) % kWarp;
    for (; first_ < experts; first_ += kWarp) {
      const int expert = first_ + lane;
      const int begin = expert < experts ? static_cast<int>(offsets[expert]) : 0;
      const int end = expert < experts ? static_cast<int>(offsets[expert + 1]) : 0;
      const int items = expert < experts ? items_of(end - begin) : 0;
      const int last = before_ + warp_inclusive_sum(items);
      const int mine = index - (last - items);
      const unsigned owner = __ballot_sync(kFullWarp, index < last && mine >= 0 ? 1 : 0);
      if (owner != 0) {  // the same in every lane
        const int source = __ffs(static_cast<int>(owner)) - 1;
        return {first_ + source, __shfl_sync(kFullWarp, begin, source),
                __shfl_sync(kFullWarp, end, source), __shfl_sync(kFullWarp, mine, source)};
      }
      before_ = __shfl_sync(kFullWarp, last, kWarp - 1);
    }
    return {-1, 0, 0, 0};
  }

 private:
  int first_ = 0;   // expert of the first lane
  int before_ = 0;  // items of the experts before it
};

/// A tile of rows of one expert; expert < 0: none.
struct RowTile {
  int expert;
  int first_row;
  int end_row;  // of the expert's segment
};

/// Tiles of `tile_rows` rows that a segment of `rows` is cut into, the last one shorter.
__device__ __forceinline__ int row_tiles(int rows, int tile_rows) {
  return (rows + tile_rows - 1) / tile_rows;
}

/// Row tile number `index` of all experts' segments. All 32 lanes of a warp must call it.
__device__ __forceinline__ RowTile find_row_tile(const std::int64_t* offsets, int experts,
                                                 int tile_rows, int index) {
  SegmentSearch search;
  const SegmentSearch::Found found = search.find(
      offsets, experts, index, [tile_rows](int rows) { return row_tiles(rows, tile_rows); });
  return {found.expert, found.begin + found.item * tile_rows, found.end};
}

/// The same for a whole block, whose first warp looks. All its threads must call it.
__device__ __forceinline__ RowTile block_row_tile(const GroupedExtents& p, int tile_rows,
                                                  int index) {
  __shared__ RowTile found;
  if (threadIdx.x < kWarp) {
    const RowTile mine = find_row_tile(p.offsets, p.experts, tile_rows, index);
    if (threadIdx.x == 0) found = mine;
  }
  __syncthreads();
  return found;
}

/// The most tiles that any routing can make: full ones, and one more for each expert with rows.
inline std::int64_t most_row_tiles(const GroupedExtents& p, int tile_rows) {
  return p.rows / tile_rows + std::min(p.rows, p.experts);
}

}  // namespace switchyard::kernels
