#pragma once

#include <vector>

#include "kernels/xray/program.h"

namespace switchyard::kernels::xray {

/// Finds out which shared arrays each access means, by following the names of arrays through the
/// registers that are computed from them, whichever way control flows; sets Instruction::arrays.
/// An address that comes out of memory may mean any. `named` has what instructions name themselves.
/// Nothing is known of kernels with more than 63 arrays.
void find_arrays(Program& program, const std::vector<ArraySet>& named);

}  // namespace switchyard::kernels::xray
