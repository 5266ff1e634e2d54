#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "engine/core/device.h"

namespace switchyard {

inline constexpr const char* kDeviceHelp =
    "Where to compute: cpu, cuda (a GPU) or simt (the GPU's kernels run on the host, slowly)";

inline constexpr const char* kConvHelp = "Whose convolutions a GPU runs: own or cudnn";

/// Adds --device with the default that `device` holds; parse_device() checks the name.
inline void add_device_option(CLI::App& command, std::string& device) {
  command.add_option("--device", device, kDeviceHelp)->capture_default_str();
}

/// Where a command with convolutions computes.
struct DeviceOptions {
  std::string device = "cpu";
  std::string conv = "own";
};

inline void add_device_options(CLI::App& command, DeviceOptions& options) {
  add_device_option(command, options.device);
  command.add_option("--conv", options.conv, kConvHelp)->capture_default_str();
}

/// The device, its convolutions chosen. UsageError where the machine lacks either.
inline Device use_device(const DeviceOptions& options) {
  const Device device = parse_device(options.device);
  choose_convolutions(device, options.conv);
  return device;
}

}  // namespace switchyard
