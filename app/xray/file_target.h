#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/xray/horizon.h"
#include "app/xray/launch_options.h"
#include "app/xray/run.h"
#include "kernels/xray/film.h"
#include "kernels/xray/module.h"

namespace switchyard {

/// What a user says of a kernel that comes in a file, and of its launch.
struct XrayFile {
  std::string architecture = "sm_90";  ///< that a source is compiled for
  std::string kernel;                  ///< its name or a part; empty: the only one
  std::string grid = "1", block = "32";
  std::vector<std::string> arguments;     ///< arguments.h
  std::vector<std::string> expectations;  ///< expect.h
  double tolerance = 0;                   ///< of them
  std::uint64_t shared = 0;               ///< bytes of dynamic shared memory
};

void add_xray_file_options(CLI::App& command, XrayFile& options);

/// The module of a file, and the name in it of the kernel that is meant.
struct XrayFileKernel {
  std::shared_ptr<const kernels::xray::Module> module;
  std::string kernel;
};

/// Errors: UsageError for a kernel that is not there; Error for a file that cannot be read or
/// compiled.
XrayFileKernel load_xray_file(const std::string& file, const XrayFile& options);

/// Runs the kernel of `file` and compares its results with what is expected of them, unless the
/// checker has found something. Errors: those of load_xray_file(); UsageError for options that
/// cannot be read; Error for what goes wrong in the kernel, and for a result that differs.
XrayRun xray_file(const std::string& file, const XrayFile& options,
                  const XrayLaunchChoices& choices,
                  const std::optional<kernels::xray::FilmOptions>& film);

/// The smallest value of `size`, which grid and arguments are written with, at which the kernel
/// breaks. Errors: those of load_xray_file() and find_horizon().
XrayHorizon xray_file_horizon(const std::string& file, const XrayFile& options,
                              const XrayLaunchChoices& choices, const std::string& size);

}  // namespace switchyard
