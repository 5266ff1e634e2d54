#pragma once

#include <algorithm>

#include "kernels/common/launch.h"
#include "kernels/common/warp.h"
#include "kernels/cuda/grouped_extents.cuh"

// How a block of a product per expert finds its rows. There are as many blocks as the tiles of all
// segments can be at most: the grid does not depend on the routing, and nothing is copied to the
// host.

namespace switchyard::kernels {

/// A tile of rows of one expert; expert < 0: none.
struct RowTile {
  int expert;
  int first_row;
  int end_row;  // of the expert's segment
};

/// Row tile number `index` when each segment is cut into tiles of `tile_rows`, the last one of a
/// segment shorter. A warp looks at 32 experts at a time: each lane counts the tiles of one, a
/// prefix sum numbers them. Every lane gets the answer; all 32 lanes must call it.
__device__ __forceinline__ RowTile find_row_tile(const std::int64_t* offsets, int experts,
                                                 int tile_rows, int index) {
  const auto lane = static_cast<int>(threadIdx.x) % kWarp;
  RowTile found{-1, 0, 0};
  int before = 0;  // tiles of the experts already looked at
  for (int first = 0; first < experts && found.expert < 0; first += kWarp) {
    const int expert = first + lane;
    const int begin = expert < experts ? static_cast<int>(offsets[expert]) : 0;
    const int end = expert < experts ? static_cast<int>(offsets[expert + 1]) : 0;
    const int tiles = (end - begin + tile_rows - 1) / tile_rows;
    const int last = before + warp_inclusive_sum(tiles);
    const int mine = index - (last - tiles);
    const unsigned owner = __ballot_sync(kFullWarp, index < last && mine >= 0 ? 1 : 0);
    if (owner != 0) {  // the same in every lane
      const int source = __ffs(static_cast<int>(owner)) - 1;
      found.expert = first + source;
      found.first_row = __shfl_sync(kFullWarp, begin + mine * tile_rows, source);
      found.end_row = __shfl_sync(kFullWarp, end, source);
    }
    before = __shfl_sync(kFullWarp, last, kWarp - 1);
  }
  return found;
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
