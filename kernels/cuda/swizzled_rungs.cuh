#pragma once

#include "kernels/cuda/product_rungs.cuh"
#include "kernels/cuda/rung_name.cuh"

// The names of the rungs with swizzled tiles (swizzled_tile.cuh), one idea each.

namespace switchyard::kernels {

inline constexpr std::string_view kSwizzledTechnique = "_tensor_core_swizzled";
inline constexpr std::string_view kLargeWarpsTechnique = "_tensor_core_warps_64x64";
inline constexpr std::string_view kFourStagesTechnique = "_tensor_core_four_stages";
inline constexpr std::string_view kPersistentTechnique = "_tensor_core_persistent";
inline constexpr std::string_view kSplitSegmentsTechnique = "_tensor_core_split_segments";

/// The name of a rung of Op with Mma's operands, for launches and errors.
template <class Op, class Mma, const std::string_view& kTechnique>
inline constexpr const char* kSwizzledName = kRungName<Op, kTechnique, kOperandsOf<Mma>>.data();

/// A rung of Op; `wide` says which operands may be read 16 bytes at a time: it takes no others.
template <class Op, class Mma, const std::string_view& kTechnique>
constexpr Rung<KernelExecutor, Op> swizzled_rung(void (*run)(KernelExecutor&, const Op&),
                                                 bool (*wide)(const Op&)) {
  return mma_rung<Mma, Op>(kRungName<Op, kTechnique, kOperandsOf<Mma>>, run, {kWideNeeds, wide});
}

}  // namespace switchyard::kernels
