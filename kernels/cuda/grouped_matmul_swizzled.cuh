#pragma once

#include "kernels/cuda/grouped_matmul_tile.cuh"
#include "kernels/cuda/swizzled_rungs.cuh"

namespace switchyard::kernels {

/// The rungs of grouped_matmul_swizzled.cu, for operands that may be read 16 bytes at a time. Mma
/// is MmaTf32, for swizzled() and persistent() also MmaBf16, for persistent() also MmaThreeTf32.
/// Errors: Refusal where a size does not fit 32 bits or a grid.
template <class Mma>
struct SwizzledGroupedMatmul {
  using Op = GroupedMatmul<typename Mma::Operand>;
  static void swizzled(KernelExecutor& exec, const Op& a);
  static void large_warps(KernelExecutor& exec, const Op& a);
  static void four_stages(KernelExecutor& exec, const Op& a);
  static void persistent(KernelExecutor& exec, const Op& a);

  template <const std::string_view& kTechnique>
  static constexpr Rung<KernelExecutor, Op> rung(void (*run)(KernelExecutor&, const Op&)) {
    return swizzled_rung<Op, Mma, kTechnique>(run, wide_operands<typename Mma::Operand>);
  }
  static constexpr auto first_rung() { return rung<kSwizzledTechnique>(swizzled); }
  static constexpr auto persistent_rung() { return rung<kPersistentTechnique>(persistent); }
  static constexpr auto rungs() {
    return std::to_array({first_rung(), rung<kLargeWarpsTechnique>(large_warps),
                          rung<kFourStagesTechnique>(four_stages), persistent_rung()});
  }
};

}  // namespace switchyard::kernels
