#include "app/parse_errors.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "app/command.h"
#include "engine/core/suggest.h"

namespace switchyard {
namespace {

using Names = std::vector<std::string>;

bool is_option(const std::string& argument) {
  return argument.size() > 1 && argument.starts_with('-');
}

/// "epochs" of "--epochs" and of "--epochs=3".
std::string bare_name(const std::string& option) {
  const std::string name = option.substr(std::min(option.find_first_not_of('-'), option.size()));
  return name.substr(0, name.find('='));
}

/// Returns all options of `command` as they are typed, for example "--seeds".
Names option_names(const CLI::App& command) {
  Names names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

Names command_names() {
  Names names;
  for (const Command& each : commands()) names.emplace_back(each.name);
  return names;
}

/// Returns the dotted paths that --set of the command takes.
Names fields_of(const std::string& command) {
  for (const Command& each : commands()) {
    if (each.name == command && each.fields != nullptr) return each.fields();
  }
  return {};
}

/// Returns "optimizer.rate" for "rate": the field that is so called, or the only one of the least
/// depth whose last part is.
std::string field_path(const std::string& name, const Names& fields) {
  std::string wanted = name;
  std::replace(wanted.begin(), wanted.end(), '-', '_');
  const auto depth = [](const std::string& field) { return std::ranges::count(field, '.'); };
  std::string found;
  bool alone = false;
  for (const std::string& field : fields) {
    if (field == wanted) return field;
    if (!field.ends_with("." + wanted)) continue;
    if (!found.empty() && depth(field) > depth(found)) continue;
    alone = found.empty() || depth(field) < depth(found);
    found = field;
  }
  return alone ? found : "";
}

/// Says of the option at `index` among the arguments that nobody takes what was perhaps meant.
std::string unknown_option_text(const CLI::App& command, const Names& rest, std::size_t index) {
  const std::string& option = rest[index];
  const std::string field = field_path(bare_name(option), fields_of(command.get_name()));
  if (!field.empty()) {
    const std::size_t equals = option.find('=');
    std::string value = "VALUE";
    if (equals != std::string::npos) {
      value = option.substr(equals + 1);
    } else if (index + 1 < rest.size() && !is_option(rest[index + 1])) {
      value = rest[index + 1];
    }
    return fmt::format("no option '{}': it is a field of the configuration, which --set {}={} sets",
                       option, field, value);
  }
  const std::string name = option.substr(0, option.find('='));
  return fmt::format("no option '{}'{}", option, did_you_mean(name, option_names(command)));
}

std::string extra_arguments_text(const CLI::App& command) {
  const Names rest = command.remaining();
  for (std::size_t i = 0; i < rest.size(); ++i) {
    if (is_option(rest[i])) return unknown_option_text(command, rest, i);
  }
  return fmt::format("nothing takes the argument{} {}", rest.size() == 1 ? "" : "s",
                     fmt::join(rest, " "));
}

/// Says of an option that has too few values or too many what is wrong: CLI11's words are its own.
std::string mismatch_text(const std::string& message) {
  if (const std::size_t mark = message.find(" was given a disallowed"); mark != std::string::npos) {
    return fmt::format("--{} takes no value", message.substr(0, mark));
  }
  const std::string option = message.substr(0, message.find(':'));
  return message.ends_with("missing") ? fmt::format("{} needs a value", option)
                                      : fmt::format("{} is given more than once", option);
}

std::string unknown_command_text(const std::string& given) {
  return is_option(given)
             ? fmt::format("no option '{}'", given)
             : fmt::format("no command '{}'{}", given, did_you_mean(given, command_names()));
}

}  // namespace

std::string parse_error_text(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<CLI::App*> chosen = app.get_subcommands();
  if (chosen.empty()) {
    const Names rest = app.remaining();
    return fmt::format("{} ('switchyard --help' lists the commands)",
                       rest.empty() ? error.what() : unknown_command_text(rest.front()));
  }
  const CLI::App& command = *chosen.front();
  // A required option that is missing is perhaps one whose name was mistyped.
  const bool is_about_names = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr ||
                              dynamic_cast<const CLI::RequiredError*>(&error) != nullptr;
  const bool has_extras = is_about_names && command.remaining_size() > 0;
  const bool is_mismatch = dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr;
  return fmt::format("{}: {} ('switchyard {} --help' lists the options)", command.get_name(),
                     has_extras    ? extra_arguments_text(command)
                     : is_mismatch ? mismatch_text(error.what())
                                   : error.what(),
                     command.get_name());
}

}  // namespace switchyard
