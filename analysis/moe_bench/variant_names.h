#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/core/device.h"
#include "kernels/api/rung_scope.h"

// Rungs of kernels that belong together share the name of their technique: moe_forward_grouped and
// moe_backward_grouped are "grouped". The registry alone says which there are.

namespace switchyard::moe_bench {

/// "moe_forward", "grouped" -> "moe_forward_grouped".
std::string rung_name(std::string_view kernel, std::string_view technique);

/// The techniques of all kernels of the device whose names begin with `prefix`, in their ladders'
/// order, each once.
std::vector<std::string> techniques(Device device, std::string_view prefix);

/// The rungs of a technique, one for each of these kernels that has it; none for "default".
std::vector<kernels::RungOfKernel> rungs_of_technique(Device device, std::string_view prefix,
                                                      const std::string& technique);

/// Rungs of one kernel on a device, from the naive to the best.
std::vector<std::string> rungs_of_kernel(Device device, std::string_view kernel);

}  // namespace switchyard::moe_bench
