#pragma once

#include "kernels/api/moe.h"

namespace switchyard::kernels {

inline constexpr const char* kForwardFusedName = "moe_forward_fused";
inline constexpr const char* kBackwardFusedName = "moe_backward_fused";

/// The layer without gathered copies: bias and activation happen between two products of one block
/// of slots, in the cache. Its own memory: S · C, for the sum over a token's experts, and T · C
/// more where that sum is rounded to bfloat16.
template <class T>
void moe_forward_fused(Cpu& cpu, const MoeForward<T>& a);

/// Its own memory: S · D until gx is summed, T · D more in bfloat16, and S · (H' + H) for the
/// gradients of the matrices.
template <class T>
void moe_backward_fused(Cpu& cpu, const MoeBackward<T>& a);

}  // namespace switchyard::kernels
