#include <memory>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "app/output.h"
#include "engine/core/check.h"
#include "engine/core/suggest.h"

namespace switchyard {
namespace {

/// The help of a command, or the overview of all commands where `name` is empty.
std::string help_of(const CLI::App& program, const std::string& name) {
  if (name.empty()) {  // program.help() would be the help of this command, which was chosen
    return program.get_formatter()->make_help(&program, program.get_name(),
                                              CLI::AppFormatMode::Normal);
  }
  std::vector<std::string> known;
  for (const CLI::App* command : program.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->get_name() == name) return command->help(program.get_name());
    known.push_back(command->get_name());
  }
  throw UsageError(fmt::format("help: no command '{}'{} ('switchyard --help' lists the commands)",
                               name, did_you_mean(name, known)));
}

Action add_help(CLI::App& command) {
  const auto name = std::make_shared<std::string>();
  command.add_option("COMMAND", *name, "A command; without it, all of them are listed");
  return [name, &program = *command.get_parent()] {
    const std::string text = help_of(program, *name);
    if (json_wanted()) {
      print_json({{"help", text}});
    } else {
      print_text(text);
    }
    return kSuccess;
  };
}

const CommandRegistration kHelp({Command::Group::kMachine, "help", "Explain a command", add_help});

}  // namespace
}  // namespace switchyard
