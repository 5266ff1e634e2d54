#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "app/xray/run.h"
#include "kernels/xray/xray.h"

namespace switchyard {

/// Reads "X", "X,Y" or "X,Y,Z", whole numbers of at least `least`, which those have that are not
/// said. Errors: UsageError naming `option`.
kernels::Dim3 parse_extent(const std::string& option, const std::string& text, unsigned least = 1);

/// What a user says of a kernel that comes in a file, and of its launch.
struct XrayFile {
  std::string architecture = "sm_90";  ///< that a source is compiled for
  std::string kernel;                  ///< its name or a part; empty: the only one
  std::string grid = "1", block = "32";
  std::vector<std::string> arguments;     ///< xray_arguments.h
  std::vector<std::string> expectations;  ///< xray_expect.h
  double tolerance = 0;                   ///< of them
  std::uint64_t shared = 0;               ///< bytes of dynamic shared memory
};

void add_xray_file_options(CLI::App& command, XrayFile& options);

/// Runs the kernel of `file` once and compares its results with what is expected of them. Errors:
/// UsageError for options that cannot be read; Error for the file, for what goes wrong in the
/// kernel, and for a result that differs.
XrayRun xray_file(const std::string& file, const XrayFile& options,
                  const kernels::xray::LaunchOptions& launch);

}  // namespace switchyard
