#pragma once

#include <cstdint>
#include <string>

#include "app/command.h"
#include "kernels/xray/xray.h"

namespace switchyard {

/// How a launch is run and what is looked for, as the command line says.
struct XrayLaunchChoices {
  std::uint64_t limit = kernels::xray::LaunchOptions{}.instruction_limit;
  std::uint64_t findings = kernels::xray::LaunchOptions{}.most_findings;
  std::string schedule = "together";
  std::string blocks;  ///< "" for all
  int orders = 0;      ///< further ones whose results are compared
  bool check = false;
  bool cache = false;
};

/// Adds --limit, --check, --findings, --schedule, --orders, --blocks and --cache.
void add_launch_options(CLI::App& command, XrayLaunchChoices& choices);

/// Errors: UsageError for a schedule or blocks that are none.
kernels::xray::LaunchOptions launch_options(const XrayLaunchChoices& choices,
                                            const kernels::Dim3& grid);

}  // namespace switchyard
