// The command line. Every subcommand lives in a file of its own in app/commands; this file parses
// the arguments, runs the chosen command and reports errors.

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <new>
#include <string>

#include "app/command.h"
#include "app/machine.h"
#include "data/fetch.h"
#include "engine/core/check.h"

namespace switchyard {
namespace {

constexpr const char* kDescription =
    "Trains dense and mixture-of-experts image classifiers, and analyses how they generalise.";

constexpr const char* kFooter =
    "'switchyard COMMAND --help' explains a command. Exit codes: 0 done, 1 failed, 2 bad usage,\n"
    "130 stopped by Ctrl-C.";

/// One line on stderr, whatever the message holds.
int fail(std::string message, int code) {
  std::replace(message.begin(), message.end(), '\n', ' ');
  fmt::print(stderr, "switchyard: {}\n", message);
  return code;
}

/// CLI11's message, with the command that it is about.
int fail_parsing(const CLI::App& app, const CLI::ParseError& error) {
  if (app.get_subcommands().empty() && app.remaining_size() > 0) {
    return fail(fmt::format("no command or option '{}' ('switchyard --help' lists the commands)",
                            app.remaining().front()),
                kUsage);
  }
  std::string command;
  for (const CLI::App* chosen : app.get_subcommands()) command = chosen->get_name() + " ";
  return fail(fmt::format("{}: {} ('switchyard {}--help' lists the options)",
                          command.empty() ? "command line" : command.substr(0, command.size() - 1),
                          error.what(), command),
              kUsage);
}

/// Makes every registered subcommand known to the parser; the one that is given sets `action`.
void add_commands(CLI::App& app, Action& action) {
  static constexpr const char* kHeadings[] = {"Studies and runs", "Models from files", "Kernels",
                                              "This machine"};
  for (const Command& each : commands()) {
    CLI::App* command = app.add_subcommand(each.name, each.summary);
    command->group(kHeadings[static_cast<std::size_t>(each.group)]);
    command->callback([&action, chosen = each.add(*command)] { action = chosen; });
  }
}

int run(int argc, char** argv) {
  CLI::App app(kDescription, "switchyard");
  app.footer(kFooter);
  app.set_version_flag("--version", version_text());
  app.require_subcommand(1);
  Action action;
  add_commands(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return fail_parsing(app, error);
  }
  return action();
}

}  // namespace
}  // namespace switchyard

int main(int argc, char** argv) {
  using namespace switchyard;
  try {
    return run(argc, argv);
  } catch (const FetchStopped&) {
    return fail("stopped; the same command continues the download", kInterrupted);
  } catch (const UsageError& error) {
    return fail(error.what(), kUsage);
  } catch (const std::bad_alloc&) {
    return fail("out of memory", kFailed);
  } catch (const std::exception& error) {
    return fail(error.what(), kFailed);
  }
}
