#pragma once

#include "kernels/api/moe.h"

namespace switchyard::kernels {

/// The layer without gathered copies: bias and activation happen between two products of one block
/// of slots, in the cache. Its own memory: S · C, for the sum over a token's experts.
template <class T>
void moe_forward_fused(Cpu& cpu, const MoeForward<T>& a);

/// Its own memory: S · D until gx is summed, and S · (H' + H) for the gradients of the matrices.
template <class T>
void moe_backward_fused(Cpu& cpu, const MoeBackward<T>& a);

}  // namespace switchyard::kernels
