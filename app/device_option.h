#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "engine/core/device.h"

namespace switchyard {

inline constexpr const char* kDeviceHelp =
    "Where to compute: cpu, cuda (a GPU) or simt (the GPU's kernels run on the host, slowly)";

/// Adds --device with the default that `device` holds; parse_device() checks the name.
inline void add_device_option(CLI::App& command, std::string& device) {
  command.add_option("--device", device, kDeviceHelp)->capture_default_str();
}

}  // namespace switchyard
