#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/device.h"

namespace switchyard {

/// Says how a command computes. The command chooses what is not given.
struct ComputeOptions {
  std::optional<std::string> device;
  std::optional<std::string> conv;
  std::optional<int> threads;
  std::vector<std::string> variants;  ///< KERNEL=RUNG each
  bool profile = false;
  std::optional<std::string> trace;  ///< a file for the profile's timeline
};

/// Adds --device, --conv and --threads, and add_kernel_options(). Every command that computes calls
/// this, so an option that concerns all of them is added here and nowhere else. `usual` ends the
/// help of --device and says where the command computes without it.
void add_compute_options(CLI::App& command, ComputeOptions& options, const std::string& usual);

/// The two parts of it, for `check`, whose --variant names what it checks: where to compute, and
/// --variant, --profile and --trace.
void add_place_options(CLI::App& command, ComputeOptions& options, const std::string& usual);
void add_kernel_options(CLI::App& command, ComputeOptions& options);

/// Sets the number of threads and which code runs, begins the profile where one is asked for
/// (profile_report.h ends it), and returns the device. `device` and `conv` stand for what was not
/// given; `conv` only where the device was not given either. Errors: UsageError where the machine
/// lacks either, or the device the kernel or rung of a variant.
Device start_computing(const ComputeOptions& options, const std::string& device = "cpu",
                       const std::string& conv = "own");

/// The part of start_computing() that a configuration does not hold: --variant, --profile, --trace.
void apply_kernel_options(const ComputeOptions& options, Device device);

}  // namespace switchyard
