#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "engine/core/device.h"

namespace switchyard {

/// How a command computes. What is not given is the command's to choose.
struct ComputeOptions {
  std::optional<std::string> device;
  std::optional<std::string> conv;
  std::optional<int> threads;
};

/// Adds --device, --conv and --threads. Every command that computes calls this, so an option that
/// concerns all of them is added here and nowhere else. `usual` ends the help of --device and says
/// where the command computes without it.
void add_compute_options(CLI::App& command, ComputeOptions& options, const std::string& usual);

/// Sets the number of threads and whose convolutions run, and returns the device. `device` and
/// `conv` stand for what was not given; `conv` only where the device was not given either. Errors:
/// UsageError where the machine lacks either.
Device start_computing(const ComputeOptions& options, const std::string& device = "cpu",
                       const std::string& conv = "own");

}  // namespace switchyard
