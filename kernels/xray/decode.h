#pragma once

#include <memory>
#include <string_view>

#include "kernels/xray/image.h"
#include "kernels/xray/program.h"

namespace switchyard::kernels::xray {

/// Makes a program of a kernel: gives registers their slots, finds each instruction's handler, puts
/// functions in place of their calls, places variables, and lays out the blocks. Errors: Error
/// "FILE:LINE: what" for an unknown kernel, an instruction that is unknown or not supported,
/// operands that do not fit, a recursive or indirect call, a call of a function without a body.
Program decode(const std::shared_ptr<const Module>& module, std::string_view kernel,
               const Image& image);

}  // namespace switchyard::kernels::xray
