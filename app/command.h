#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace switchyard {

/// What the chosen subcommand does; returns the exit code.
using Action = std::function<int()>;

// Exit codes. Errors that are thrown become kFailed or, for a UsageError, kUsage.
inline constexpr int kSuccess = 0;
inline constexpr int kFailed = 1;
inline constexpr int kUsage = 2;
inline constexpr int kInterrupted = 130;  ///< as a shell reports a program that SIGINT ended

// Each adds one subcommand to `app`; parsing it sets `action`. One file per subcommand.
void add_study_command(CLI::App& app, Action& action);
void add_train_command(CLI::App& app, Action& action);
void add_hessian_command(CLI::App& app, Action& action);
void add_perturb_command(CLI::App& app, Action& action);
void add_probe_command(CLI::App& app, Action& action);
void add_route_command(CLI::App& app, Action& action);
void add_gradcheck_command(CLI::App& app, Action& action);
void add_kernels_command(CLI::App& app, Action& action);
void add_check_command(CLI::App& app, Action& action);
void add_resources_command(CLI::App& app, Action& action);
void add_fetch_command(CLI::App& app, Action& action);
void add_report_command(CLI::App& app, Action& action);
void add_devices_command(CLI::App& app, Action& action);
void add_version_command(CLI::App& app, Action& action);

}  // namespace switchyard
