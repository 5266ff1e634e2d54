#pragma once

#include <string_view>

#include "kernels/xray/warp.h"

namespace switchyard::kernels::xray {

/// Whether %NAME is a register that the machine supplies.
bool is_special(std::string_view name);
/// Writes the values of such a register for the lanes of a warp, once when its block starts.
void write_special(const Warp& warp, const Special& special);

}  // namespace switchyard::kernels::xray
