#pragma once

#include "kernels/common/moe_steps.h"

namespace switchyard::kernels::fused_moe {

// The steps that the second order alone has.
inline constexpr std::string_view kDoubleBackwardBlocks = "fused_double_backward_blocks";
inline constexpr std::string_view kTwoProducts = "fused_two_products";
inline constexpr std::string_view kHiddenTangent = "fused_hidden_tangent";

}  // namespace switchyard::kernels::fused_moe
