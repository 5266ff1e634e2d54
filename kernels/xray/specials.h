#pragma once

#include <string_view>

#include "kernels/xray/warp.h"

namespace switchyard::kernels::xray {

/// Whether %NAME is a register that the machine supplies.
bool is_special(std::string_view name);
/// Whether its value is another one in each block, and the same for all threads of one.
bool is_of_block(const Special& special);
/// Writes the values of such a register for the lanes of a warp.
void write_special(const Warp& warp, const Special& special);

}  // namespace switchyard::kernels::xray
