#pragma once

#include "kernels/api/grouped_matmul.h"
#include "kernels/cuda/swizzled_rungs.cuh"

namespace switchyard::kernels {

/// Returns whether x and gy may be read 16 bytes at a time: every row of either begins aligned.
template <class T>
bool wide_operands(const GroupedMatmulWeightGrad<T>& a) {
  return wide_rows(a.x, a.shape.inner) && wide_rows(a.gy, a.shape.cols);
}

/// The rungs of grouped_matmul_weight_grad_swizzled.cu, for operands that may be read 16 bytes at a
/// time. Mma is MmaTf32, for swizzled() and split_segments() also MmaBf16, for split_segments()
/// also MmaThreeTf32. Errors: Refusal where a size does not fit 32 bits or a grid.
template <class Mma>
struct SwizzledWeightGrad {
  using Op = GroupedMatmulWeightGrad<typename Mma::Operand>;
  static void swizzled(KernelExecutor& exec, const Op& a);
  static void large_warps(KernelExecutor& exec, const Op& a);
  static void four_stages(KernelExecutor& exec, const Op& a);
  static void split_segments(KernelExecutor& exec, const Op& a);

  template <const std::string_view& kTechnique>
  static constexpr Rung<KernelExecutor, Op> rung(void (*run)(KernelExecutor&, const Op&)) {
    return swizzled_rung<Op, Mma, kTechnique>(run, wide_operands<typename Mma::Operand>);
  }
  static constexpr auto first_rung() { return rung<kSwizzledTechnique>(swizzled); }
  static constexpr auto split_rung() { return rung<kSplitSegmentsTechnique>(split_segments); }
  static constexpr auto rungs() {
    return std::to_array({first_rung(), rung<kLargeWarpsTechnique>(large_warps),
                          rung<kFourStagesTechnique>(four_stages), split_rung()});
  }
};

}  // namespace switchyard::kernels
