// The program starts here. Every subcommand lives in a file of its own in app/commands; this file
// parses the arguments, runs the chosen command and reports errors.

#include <nlohmann/json.hpp>

#include <algorithm>
#include <new>
#include <string>

#include "app/command.h"
#include "app/machine.h"
#include "app/output.h"
#include "app/parse_errors.h"
#include "app/profile_report.h"
#include "data/fetch.h"
#include "engine/core/check.h"
#include "engine/core/wait_policy.h"

namespace switchyard {
namespace {

constexpr const char* kDescription =
    "Trains dense and mixture-of-experts image classifiers, and analyses how they generalise.";

constexpr const char* kFooter =
    "'switchyard help COMMAND' explains a command. Exit codes: 0 done, 1 failed, 2 bad usage,\n"
    "130 stopped by Ctrl-C.";

constexpr const char* kJsonHelp = "Print one JSON document on stdout, whatever happens";

/// Refuses "" for files and directories, which would be taken for an option that is not given.
void refuse_empty_paths(CLI::App& command) {
  const CLI::Validator not_empty(
      [](std::string& text) { return text.empty() ? "must not be empty" : std::string(); }, "");
  for (CLI::Option* option : command.get_options()) {
    const std::string type = option->get_type_name();
    if (type == "FILE" || type == "DIR") option->check(not_empty);
  }
}

/// Makes every registered subcommand known to the parser; the one that is given sets `action`.
void add_commands(CLI::App& app, Action& action) {
  static constexpr const char* kHeadings[] = {"Studies and runs", "Models from files", "Kernels",
                                              "This machine"};
  for (const Command& each : commands()) {
    CLI::App* command = app.add_subcommand(each.name, each.summary);
    command->group(kHeadings[static_cast<std::size_t>(each.group)]);
    command->callback([&action, chosen = each.add(*command)] { action = chosen; });
    command->add_flag_callback("--json", want_json, kJsonHelp)->disable_flag_override();
    refuse_empty_paths(*command);
  }
}

/// Prints what --help or --version asks for.
int print_answer(const char* name, const std::string& text) {
  if (json_wanted()) {
    print_json({{name, text}});
  } else {
    print_text(text);
  }
  return kSuccess;
}

std::string help_text(const CLI::App& app) {
  const std::vector<CLI::App*> chosen = app.get_subcommands();
  return chosen.empty() ? app.help() : chosen.front()->help(app.get_name());
}

int run(int argc, char** argv) {
  CLI::App app(kDescription, "switchyard");
  app.footer(kFooter);
  app.set_version_flag("--version", version_text());
  app.require_subcommand(0, 1);
  Action action;
  add_commands(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForVersion&) {
    return print_answer("version", version_text() + "\n");
  } catch (const CLI::Success&) {
    return print_answer("help", help_text(app));
  } catch (const CLI::ParseError& error) {
    return report_error(parse_error_text(app, error), kUsage);
  }
  if (!action) return print_answer("help", help_text(app));
  const int code = action();
  finish_profile();
  return code;
}

/// run() with every error reported.
int run_reporting(int argc, char** argv) {
  // Arguments that cannot be parsed are reported as --json asks for, too.
  const auto is_json_flag = [](const char* argument) { return std::string(argument) == "--json"; };
  if (std::any_of(argv, argv + argc, is_json_flag)) want_json();
  try {
    return run(argc, argv);
  } catch (const FetchStopped&) {
    return report_error("stopped; the same command continues the download", kInterrupted);
  } catch (const UsageError& error) {
    return report_error(error.what(), kUsage);
  } catch (const std::bad_alloc&) {
    return report_error("out of memory", kFailed);
  } catch (const std::exception& error) {
    return report_error(error.what(), kFailed);
  }
}

}  // namespace
}  // namespace switchyard

int main(int argc, char** argv) {
  using namespace switchyard;
  share_processor(argv);
  open_standard_streams();
  return finish_output(run_reporting(argc, argv));
}
