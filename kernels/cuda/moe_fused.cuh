#pragma once

#include "kernels/api/moe.h"
#include "kernels/common/launch.h"

namespace switchyard::kernels {

/// The token MoE layer without gathered copies (moe_fused.cu): rows are read through the
/// permutation, and what happens to a product's outputs happens before they are written. Errors:
/// Refusal where an extent does not fit 32 bits.
template <class T>
struct FusedMoe {
  static void forward(KernelExecutor& exec, const MoeForward<T>& a);
  static void backward(KernelExecutor& exec, const MoeBackward<T>& a);
};

}  // namespace switchyard::kernels
