#pragma once

#include "kernels/xray/warp.h"

namespace switchyard::kernels::xray {

struct Opcode;

/// What an instruction makes of an index of 32 bits.
Arithmetic arithmetic_of(const Opcode& op);

/// Follows indices of 32 bits whose sum or product does not fit: called before an instruction runs.
/// PTX does not say whether a register is signed. So a number counts as wrapped only where an
/// instruction reads it as what it no longer is: one that widens it as a signed number where it
/// left that range, or as an unsigned one where it left both. Errors: Fault for an address that
/// comes from such a number.
void follow_wraps(Warp& warp, const Instruction& in);

}  // namespace switchyard::kernels::xray
