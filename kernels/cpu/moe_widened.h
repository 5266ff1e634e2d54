#pragma once

#include "kernels/api/moe.h"

namespace switchyard::kernels {

/// The layer in bfloat16 by way of float32: every operand is widened, every result rounded. Takes
/// all sizes; its own memory is twice that of operands and results.
void moe_forward_widened(Cpu& cpu, const MoeForward<BFloat16>& a);
void moe_backward_widened(Cpu& cpu, const MoeBackward<BFloat16>& a);

}  // namespace switchyard::kernels
