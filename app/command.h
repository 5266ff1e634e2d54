#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

namespace switchyard {

// The program ends with these exit codes. Errors that are thrown become kFailed or, for a
// UsageError, kUsage.
inline constexpr int kSuccess = 0;
inline constexpr int kFailed = 1;
inline constexpr int kUsage = 2;
inline constexpr int kInterrupted = 130;  ///< as a shell reports a program that SIGINT ended

/// Runs a subcommand whose options are parsed; returns the exit code.
using Action = std::function<int()>;

/// One subcommand. Each file in app/commands defines one and registers it there; no list names
/// them.
struct Command {
  /// The headings of `switchyard --help`, in their order.
  enum class Group { kStudies, kModels, kKernels, kMachine };

  Group group;
  const char* name;
  const char* summary;
  /// Adds the options to `command`, and returns what reads them and does the work. --help and
  /// --json are there already.
  Action (*add)(CLI::App& command);
  /// The dotted paths that --set takes, where the command has a configuration.
  std::vector<std::string> (*fields)() = nullptr;
};

/// Registers a subcommand while the program starts: a constant in the subcommand's file.
class CommandRegistration {
 public:
  explicit CommandRegistration(const Command& command);
};

/// Returns all registered subcommands, by group and then by name.
std::vector<Command> commands();

}  // namespace switchyard
