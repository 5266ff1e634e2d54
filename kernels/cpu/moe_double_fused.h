#pragma once

#include "kernels/api/moe_double_backward.h"

namespace switchyard::kernels {

inline constexpr const char* kDoubleFusedName = "moe_double_backward_fused";

/// Both products of a direction and of the point share the panels of a block, as moe_fused.cpp
/// explains for the first order. Its own memory: S · C and S · D until the tokens are summed, and
/// S · (2 H' + H) for the gradients of the matrices, S · H' less where v_x is null.
template <class T>
void moe_double_backward_fused(Cpu& cpu, const MoeDoubleBackward<T>& a);

}  // namespace switchyard::kernels
