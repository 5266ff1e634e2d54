#include "kernels/cuda/grouped_matmul_swizzled.cuh"

#include "kernels/cuda/swizzled_tile.cuh"
#include "kernels/cuda/tile_grid.cuh"

// The product per expert on tensor cores beyond grouped_matmul_tensor_core, one idea a rung. The
// first three are grouped_matmul_tile with other tiles (matmul_swizzled.cu has their steps):
//
// grouped_matmul_tensor_core_swizzled: 64x64 outputs and 4 warps as before, lines at XOR, ldmatrix.
//
// grouped_matmul_tensor_core_warps_64x64: 128x128 outputs, 64x64 a warp, where experts get 128 rows
//   or more on average; else the same as before: a shorter segment would leave most of the tile
//   empty.
//
// grouped_matmul_tensor_core_four_stages: copies of three steps of depth under way.

namespace switchyard::kernels {
namespace {

/// The tiles of all experts' segments that are dealt to a block.
template <class Tile, bool kTransposeW>
class DealtRowTiles {
 public:
  using T = typename Tile::Operand;
  using A = MatrixSource<T, true>;
  using B = MatrixSource<T, kTransposeW>;

  __device__ DealtRowTiles(const Grouped<T>& p, int tiles_across)
      : end(p.inner), p_(p), across_(tiles_across), index_(static_cast<int>(blockIdx.x)) {
    find();
  }
  __device__ bool more() const { return segment_.expert >= 0; }
  __device__ void next() {
    index_ += static_cast<int>(gridDim.x);
    find();
  }
  __device__ A a() const { return {p_.x, segment_.end, p_.inner}; }
  __device__ B b() const {
    return {p_.w + segment_.expert * p_.weights(), p_.cols, kTransposeW ? p_.inner : p_.cols};
  }
  __device__ const T* bias() const { return p_.bias_of(segment_.expert); }
  __device__ int end_row() const { return segment_.end; }
  int first_row = 0, first_col = 0;
  int begin = 0, end;

 private:
  __device__ void find() {
    segment_ = search_.find(p_.offsets, p_.experts, index_,
                            [this](int rows) { return row_tiles(rows, Tile::kRows) * across_; });
    if (!more()) return;
    const int down = row_tiles(segment_.end - segment_.begin, Tile::kRows);
    const TilePlace place = tile_in_groups(segment_.item, down, across_);
    first_row = segment_.begin + place.row * Tile::kRows;
    first_col = place.col * Tile::kCols;
  }

  const Grouped<T>& p_;
  int across_;
  SegmentSearch search_;
  SegmentSearch::Found segment_;
  int index_;
};

// grouped_matmul_tensor_core_persistent
//   1. as many blocks as the multiprocessors hold at a time. The tiles of all segments are numbered
//      expert by expert, within an expert down groups of 8 rows of tiles; block b takes tiles b,
//      b + blocks, b + 2 blocks, ...;
//   2. each warp finds the block's next tile from the offsets, going on where it ended: it reads
//      each offset once for the copies and once for the products. Nobody waits for the host, no
//      counter is shared;
//   3. the copies of the next tile start while the present one is multiplied and written.
// All tiles have the same depth, so that no block gets more than one tile more than another,
// however uneven the segments are. No block is empty, where a grid by shape alone has one for each
// expert and column of tiles too many. Tiles that are multiplied at the same time share an expert's
// weights: those come from memory once for 8 tiles of rows.
template <class Tile, bool kTransposeW>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kBlocks)
    grouped_matmul_persistent(Grouped<typename Tile::Operand> p, int tiles_across, bool wide_y) {
  using T = typename Tile::Operand;
  using Walk = DealtRowTiles<Tile, kTransposeW>;
  auto& shared = tile_shared<Tile>();
  const Walk walk(p, tiles_across);
  if (!walk.more()) return;  // the whole block
  typename Tile::Sums sums;
  Tile::multiply_walk(shared, walk, sums, [&](const Walk& at) {
    if (const T* const bias = at.bias(); bias != nullptr) {
      add_to_rows<Tile>(bias, p.cols, at.first_col, sums);
    }
    Tile::store(MatrixSink<T>{p.y, at.end_row(), p.cols, wide_y}, at.first_row, at.first_col, sums);
  });
}

// ---- launchers

template <class Mma>
using Swizzled = SwizzledTile<Mma, 64, 64, 32, 32, 2>;
template <class Mma>
using LargeWarps = SwizzledTiles<Mma, 64, 64, 2>;

/// Calls body(std::type_identity<Tile>) with the large tile where experts get as many rows on
/// average as it has, else with the small one.
template <class Tiles, class Body>
void with_row_tile(const GroupedShape& shape, const Body& body) {
  if (shape.rows >= shape.experts * Tiles::Large::kRows) {
    body(std::type_identity<typename Tiles::Large>{});
  } else {
    body(std::type_identity<typename Tiles::Small>{});
  }
}

template <class Tile, class T>
void launch_persistent(KernelExecutor& exec, const char* name, const GroupedMatmul<T>& a) {
  const Grouped<T> p{grouped_extents(name, a.shape, a.offsets), a.x, a.w, a.bias, a.y};
  const auto across = static_cast<int>(tiles_along(p.cols, Tile::kCols));
  const int most = checked_extent(name, "tiles", {most_row_tiles(p, Tile::kRows), across});
  const int held = exec.limits.multiprocessors * Tile::kBlocks;
  with_flag(a.transpose_w, [&](auto transpose) {
    launch(exec, name, grouped_matmul_persistent<Tile, decltype(transpose)::value>,
           tile_line<Tile>(name, {std::min(most, held)}), p, across, wide_rows(a.y, p.cols));
  });
}

}  // namespace

template <class Mma>
void SwizzledGroupedMatmul<Mma>::swizzled(KernelExecutor& exec, const Op& a) {
  launch_tiles<Swizzled<Mma>, true>(exec, kSwizzledName<Op, Mma, kSwizzledTechnique>, a);
}

template <class Mma>
void SwizzledGroupedMatmul<Mma>::large_warps(KernelExecutor& exec, const Op& a) {
  with_row_tile<LargeWarps<Mma>>(a.shape, [&](auto tile) {
    launch_tiles<typename decltype(tile)::type, true>(
        exec, kSwizzledName<Op, Mma, kLargeWarpsTechnique>, a);
  });
}

template <class Mma>
void SwizzledGroupedMatmul<Mma>::four_stages(KernelExecutor& exec, const Op& a) {
  with_row_tile<FourStages<Mma>>(a.shape, [&](auto tile) {
    launch_tiles<typename decltype(tile)::type, true>(
        exec, kSwizzledName<Op, Mma, kFourStagesTechnique>, a);
  });
}

template <class Mma>
void SwizzledGroupedMatmul<Mma>::persistent(KernelExecutor& exec, const Op& a) {
  with_row_tile<FourStages<Mma>>(a.shape, [&](auto tile) {
    launch_persistent<typename decltype(tile)::type>(
        exec, kSwizzledName<Op, Mma, kPersistentTechnique>, a);
  });
}

template struct SwizzledGroupedMatmul<MmaTf32>;
template void SwizzledGroupedMatmul<MmaBf16>::swizzled(KernelExecutor&,
                                                       const GroupedMatmul<BFloat16>&);
template void SwizzledGroupedMatmul<MmaBf16>::persistent(KernelExecutor&,
                                                         const GroupedMatmul<BFloat16>&);
template void SwizzledGroupedMatmul<MmaThreeTf32>::persistent(KernelExecutor&,
                                                              const GroupedMatmul<float>&);

}  // namespace switchyard::kernels
