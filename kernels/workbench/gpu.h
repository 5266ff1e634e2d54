#pragma once

#include <memory>
#include <string>

#include "kernels/workbench/bench_device.h"

namespace switchyard::kernels::workbench {

/// Says why no GPU can be used; empty where one can.
std::string gpu_unavailable_reason();
std::unique_ptr<Device> open_gpu();

}  // namespace switchyard::kernels::workbench
