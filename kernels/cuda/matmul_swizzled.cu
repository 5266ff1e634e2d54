#include "kernels/cuda/matmul_swizzled.cuh"

#include "kernels/cuda/swizzled_tile.cuh"

// The matrix product on tensor cores beyond matmul_tensor_core, one idea a rung. All of them move
// both operands to shared memory as they lie and 16 bytes at a time, whatever is transposed.

namespace switchyard::kernels {
namespace {

// matmul_tensor_core_swizzled
//   1. the tiles and warps of matmul_tensor_core (128x128 with warps of 64x32, or 64x64 with warps
//      of 32x32), two copies in shared memory, 64 bytes of depth each;
//   2. chunks of 16 bytes lie at XOR of chunk and line (swizzled_lines.cuh), ldmatrix brings
//      fragments. Every access meets each bank once, in all four combinations of transposes.
//
// matmul_tensor_core_warps_64x64
//   the same with 4 warps of 64x64 outputs: a fragment is used for 8 and 4 products instead of 4
//   and 4, 3/4 of the turns of shared memory.
//
// matmul_tensor_core_four_stages
//   the same with four copies of the tiles: the loads of three steps are under way where it was
//   one. 64 KiB of shared memory for 128x128, which a launch has to ask for.
//
// matmul_tensor_core_persistent
//   1. as many blocks as the multiprocessors hold at a time; block b takes tiles b, b + blocks,
//      b + 2 blocks, ..., numbered down groups of 8 rows of tiles;
//   2. the copies of a block's next tile start while it multiplies and writes the present one.
//   Where 128x128 is too large a tile for the product, there are fewer tiles than blocks and
//   nothing to run on to: four_stages.

/// The tiles of a product in parts that are dealt to a block.
template <class Tile, bool kTransposeA, bool kTransposeB>
class DealtTiles {
 public:
  using T = typename Tile::Operand;
  using Sum = typename Tile::Sum;
  using A = MatrixSource<T, !kTransposeA>;
  using B = MatrixSource<T, kTransposeB>;

  __device__ DealtTiles(const Product<T, Sum>& p, int down, int across, const Split& split)
      : p_(p), down_(down), across_(across), split_(split), index_(static_cast<int>(blockIdx.x)) {
    find();
  }
  __device__ bool more() const { return index_ < down_ * across_ * split_.count; }
  __device__ void next() {
    index_ += static_cast<int>(gridDim.x);
    find();
  }
  __device__ A a() const { return {p_.a, p_.m, kTransposeA ? p_.m : p_.k}; }
  __device__ B b() const { return {p_.b, p_.n, kTransposeB ? p_.k : p_.n}; }
  __device__ int part() const { return index_ / (down_ * across_); }
  __device__ Sum* c() const { return p_.c + part() * (std::int64_t{p_.m} * p_.n); }
  int first_row, first_col, begin, end;

 private:
  __device__ void find() {
    const int tiles = down_ * across_;
    const TilePlace place = tile_in_groups(index_ % tiles, down_, across_);
    first_row = place.row * Tile::kRows;
    first_col = place.col * Tile::kCols;
    begin = index_ / tiles * split_.length;
    end = begin + std::min(split_.length, p_.k - begin);
  }

  const Product<T, Sum>& p_;
  int down_, across_;
  Split split_;
  int index_;
};

template <class Tile, bool kTransposeA, bool kTransposeB>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kBlocks)
    matmul_persistent(Product<typename Tile::Operand, typename Tile::Sum> p, int down, int across,
                      Split split, bool wide) {
  using Walk = DealtTiles<Tile, kTransposeA, kTransposeB>;
  auto& shared = tile_shared<Tile>();
  typename Tile::Sums sums;
  Tile::multiply_walk(shared, Walk(p, down, across, split), sums, [&](const Walk& at) {
    if (p.addend != nullptr && at.part() == 0) {
      add_addend<Tile>(p, wide, at.first_row, at.first_col, sums);
    }
    Tile::store(MatrixSink<typename Tile::Sum>{at.c(), p.m, p.n, wide}, at.first_row, at.first_col,
                sums);
  });
}

// ---- launchers

template <class Mma>
using TwoStages = SwizzledTiles<Mma, 64, 32, 2>;
template <class Mma>
using LargeWarps = SwizzledTiles<Mma, 64, 64, 2>;

template <class Tiles, class T>
void tile_each(KernelExecutor& exec, const char* name, const Matmul<T>& a) {
  in_parts(exec, name, a, [&](const auto& p, const Split& split) {
    with_tile<Tiles>(exec.limits, p.m, p.n, split.count, [&](auto tile) {
      launch_tile<typename decltype(tile)::type, true>(exec, name, a.shape, p, split);
    });
  });
}

template <class Tile, class T, class Sum>
void launch_persistent(KernelExecutor& exec, const char* name, const MatmulShape& shape,
                       const Product<T, Sum>& p, const Split& split) {
  const TileGrid tiles = tile_grid<Tile>(name, p.m, p.n);
  if (tiles.count == 0) return;
  const int dealt = checked_extent(name, "tiles", {tiles.count, split.count});
  const int most = exec.limits.multiprocessors * Tile::kBlocks;
  with_transposes(shape, [&](auto ta, auto tb) {
    launch(exec, name, matmul_persistent<Tile, decltype(ta)::value, decltype(tb)::value>,
           tile_line<Tile>(name, {std::min(dealt, most)}), p,
           static_cast<int>(tiles.count) / tiles.across, tiles.across, split, wide_outputs(p));
  });
}

template <class Mma, const std::string_view& kTechnique>
constexpr const char* kName = kSwizzledName<typename SwizzledMatmul<Mma>::Op, Mma, kTechnique>;

}  // namespace

template <class Mma>
void SwizzledMatmul<Mma>::swizzled(KernelExecutor& exec, const Op& a) {
  tile_each<TwoStages<Mma>>(exec, kName<Mma, kSwizzledTechnique>, a);
}

template <class Mma>
void SwizzledMatmul<Mma>::large_warps(KernelExecutor& exec, const Op& a) {
  tile_each<LargeWarps<Mma>>(exec, kName<Mma, kLargeWarpsTechnique>, a);
}

template <class Mma>
void SwizzledMatmul<Mma>::four_stages(KernelExecutor& exec, const Op& a) {
  tile_each<FourStages<Mma>>(exec, kName<Mma, kFourStagesTechnique>, a);
}

template <class Mma>
void SwizzledMatmul<Mma>::persistent(KernelExecutor& exec, const Op& a) {
  constexpr const char* kThis = kName<Mma, kPersistentTechnique>;
  using Tiles = FourStages<Mma>;
  in_parts(exec, kThis, a, [&](const auto& p, const Split& split) {
    with_tile<Tiles>(exec.limits, p.m, p.n, split.count, [&](auto tile) {
      using Tile = typename decltype(tile)::type;
      if constexpr (std::is_same_v<Tile, typename Tiles::Large>) {
        launch_persistent<Tile>(exec, kThis, a.shape, p, split);
      } else {
        launch_tile<Tile, true>(exec, kThis, a.shape, p, split);
      }
    });
  });
}

template struct SwizzledMatmul<MmaBf16>;
template struct SwizzledMatmul<MmaTf32>;
template void SwizzledMatmul<MmaThreeTf32>::persistent(KernelExecutor&, const Matmul<float>&);

}  // namespace switchyard::kernels
