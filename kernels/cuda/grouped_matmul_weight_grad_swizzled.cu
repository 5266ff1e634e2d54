#include "kernels/cuda/grouped_matmul_weight_grad_swizzled.cuh"

#include "kernels/cuda/grouped_weight_grad_split.cuh"
#include "kernels/cuda/swizzled_tile.cuh"

// The weight gradient on tensor cores beyond grouped_matmul_weight_grad_tensor_core, one idea a
// rung (matmul_swizzled.cu has the steps of the tiles). Both operands are contiguous across the
// sum: swizzled lines keep them as they lie, where padded ones turn both on their way.
//
// ..._tensor_core_swizzled: 64x64 weights a block, lines at XOR.
// ..._tensor_core_warps_64x64: 128x128 weights where that gives a GPU's multiprocessors work.
// ..._tensor_core_four_stages: copies of three steps of rows under way.
// ..._tensor_core_split_segments: long segments in parts (grouped_weight_grad_split.cuh).

namespace switchyard::kernels {
namespace {

template <class Mma>
using Swizzled = SwizzledTile<Mma, 64, 64, 32, 32, 2>;
template <class Mma>
using LargeWarps = SwizzledTiles<Mma, 64, 64, 2>;

template <class Tile, class T>
void tile_each(KernelExecutor& exec, const char* name, const GroupedMatmulWeightGrad<T>& a) {
  launch_weight_grad<Tile, true>(exec, name, grouped_extents(name, a.shape, a.offsets),
                                 SlotRows<T>{a.x}, SlotRows<T>{a.gy}, a.gw);
}

template <class Tiles, class T, class Body>
void with_weight_tile(KernelExecutor& exec, const GroupedMatmulWeightGrad<T>& a, const Body& body) {
  with_tile<Tiles>(exec.limits, a.shape.inner, a.shape.cols, a.shape.experts, body);
}

}  // namespace

template <class Mma>
void SwizzledWeightGrad<Mma>::swizzled(KernelExecutor& exec, const Op& a) {
  tile_each<Swizzled<Mma>>(exec, kSwizzledName<Op, Mma, kSwizzledTechnique>, a);
}

template <class Mma>
void SwizzledWeightGrad<Mma>::large_warps(KernelExecutor& exec, const Op& a) {
  with_weight_tile<LargeWarps<Mma>>(exec, a, [&](auto tile) {
    tile_each<typename decltype(tile)::type>(exec, kSwizzledName<Op, Mma, kLargeWarpsTechnique>, a);
  });
}

template <class Mma>
void SwizzledWeightGrad<Mma>::four_stages(KernelExecutor& exec, const Op& a) {
  with_weight_tile<FourStages<Mma>>(exec, a, [&](auto tile) {
    tile_each<typename decltype(tile)::type>(exec, kSwizzledName<Op, Mma, kFourStagesTechnique>, a);
  });
}

template <class Mma>
void SwizzledWeightGrad<Mma>::split_segments(KernelExecutor& exec, const Op& a) {
  with_weight_tile<FourStages<Mma>>(exec, a, [&](auto tile) {
    launch_split_weight_grad<typename decltype(tile)::type, true>(
        exec, kSwizzledName<Op, Mma, kSplitSegmentsTechnique>, a);
  });
}

template struct SwizzledWeightGrad<MmaTf32>;
template void SwizzledWeightGrad<MmaBf16>::swizzled(KernelExecutor&,
                                                    const GroupedMatmulWeightGrad<BFloat16>&);
template void SwizzledWeightGrad<MmaBf16>::split_segments(KernelExecutor&,
                                                          const GroupedMatmulWeightGrad<BFloat16>&);
template void SwizzledWeightGrad<MmaThreeTf32>::split_segments(
    KernelExecutor&, const GroupedMatmulWeightGrad<float>&);

}  // namespace switchyard::kernels
