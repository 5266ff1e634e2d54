#pragma once

#include "kernels/api/grouped_matmul.h"
#include "kernels/api/moe.h"
#include "kernels/common/launch.h"
#include "kernels/cuda/product_rungs.cuh"

namespace switchyard::kernels {

/// The token MoE layer without gathered copies (moe_fused_form.cuh): rows are read through the
/// permutation, and what happens to a product's outputs happens before they are written. Products
/// says what it multiplies with. Errors: Refusal where an extent does not fit 32 bits.
template <class T, class Products>
struct FusedMoe {
  static void forward(KernelExecutor& exec, const MoeForward<T>& a);
  static void backward(KernelExecutor& exec, const MoeBackward<T>& a);
};

/// Multiplies in registers (moe_fused.cu).
struct RegisterProducts;

/// Multiplies on tensor cores (moe_fused_tensor_core.cu): bfloat16 and float64 as they are, float32
/// cut down to tf32, as the rungs' names say.
struct TensorCoreProducts;
template <class T>
constexpr const char* kTensorCoreForward =
    std::is_same_v<T, float> ? "moe_forward_fused_tensor_core_tf32"
                             : "moe_forward_fused_tensor_core";
template <class T>
constexpr const char* kTensorCoreBackward =
    std::is_same_v<T, float> ? "moe_backward_fused_tensor_core_tf32"
                             : "moe_backward_fused_tensor_core";

}  // namespace switchyard::kernels
