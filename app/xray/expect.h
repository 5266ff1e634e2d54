#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kernels/xray/memory.h"

namespace switchyard {

/// What --expect takes, for the help text.
inline constexpr const char* kXrayExpectHelp =
    "After the launch compare the buffer of argument N, from 0, with BUFFER, written as for --arg "
    "(N.2: the second buffer of a structure); a difference ends the run with exit code 1";

/// Compares buffers that a launch has written with what was expected of them.
///
/// `kernel`: its name, for messages. `memory`: where xray_parameters() made the buffers.
/// `expectations`: each "N=BUFFER" or "N.B=BUFFER". Whole numbers must be equal; floating ones x
/// may differ from an expected y by `tolerance` * max(1, |y|), and a NaN is expected by a NaN.
///
/// Errors: UsageError for an expectation that cannot be read, for an argument that is no buffer or
/// has other bytes; Error naming the first element that differs.
void check_xray_expectations(std::string_view kernel, const kernels::xray::Memory& memory,
                             const std::vector<std::string>& expectations, double tolerance);

}  // namespace switchyard
