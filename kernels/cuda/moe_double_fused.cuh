#pragma once

#include "kernels/api/moe_double_backward.h"
#include "kernels/common/launch.h"

namespace switchyard::kernels {

inline constexpr const char* kDoubleFusedRung = "moe_double_backward_fused";

/// The second order of the token MoE layer without gathered copies (moe_double_fused.cu). Errors:
/// Refusal where an extent does not fit 32 bits.
template <class T>
void moe_double_backward_fused(KernelExecutor& exec, const MoeDoubleBackward<T>& a);

}  // namespace switchyard::kernels
