#include "app/settings_options.h"

#include <fmt/format.h>

#include "app/option_values.h"
#include "engine/io/json.h"
#include "training/presets.h"
#include "training/settings.h"

namespace switchyard {

namespace {

void add_paths(const nlohmann::json& config, const std::string& above,
               std::vector<std::string>& paths) {
  for (const auto& [field, value] : config.items()) {
    if (value.is_object()) {
      add_paths(value, above + field + ".", paths);
    } else {
      paths.push_back(above + field);
    }
  }
}

}  // namespace

void add_settings_options(CLI::App& command, SettingsOptions& options,
                          const std::string& preset_help, const std::string& example) {
  const std::string group = "Configuration";
  const auto add = [&](const char* name, auto& value, const std::string& help) {
    return command.add_option(name, value, help)->group(group);
  };
  add("--preset", options.preset, preset_help)->check(one_of(preset_names()));
  add("--config", options.config_file, "JSON file whose fields replace those of the preset")
      ->type_name("FILE");
  add("--set", options.settings,
      fmt::format("Replace one field, for example {} (can be repeated)", example))
      ->type_name("PATH=VALUE")
      ->allow_extra_args(false);
  // This is no flag of an optional, which CLI11 2.1 would set whether it is given or not.
  const auto set_augment = [&options](std::int64_t count) { options.augment = count > 0; };
  command
      .add_flag_function("--augment,!--no-augment", set_augment,
                         "Train with random crops and mirror images, or without")
      ->group(group);
  command
      .add_flag("--reproducible", options.reproducible,
                "Compute the same bits with any number of threads; slower")
      ->group(group);
  add_compute_options(command, options.compute, "the configuration's, which is cpu in the presets");
}

std::vector<nlohmann::json> upper_layers(const SettingsOptions& options,
                                         const std::string& training) {
  std::vector<nlohmann::json> layers;
  if (!options.config_file.empty()) {
    if (!options.config) {
      options.config = std::make_shared<const nlohmann::json>(read_json(options.config_file));
    }
    layers.push_back(*options.config);
  }
  for (const std::string& setting : options.settings) layers.push_back(parse_setting(setting));
  const auto add = [&](const std::string& field, const nlohmann::json& value) {
    layers.push_back(parse_setting(training + field + "=" + json_text(value)));
  };
  if (options.augment) add("data.augment", *options.augment);
  const ComputeOptions& compute = options.compute;
  if (compute.device) add("device", *compute.device);
  if (compute.conv) add("conv", *compute.conv);
  if (compute.threads) add("threads", *compute.threads);
  if (options.reproducible) add("reproducible", true);
  return layers;
}

std::string settings_source(const SettingsOptions& options) {
  return options.config_file.empty() ? "configuration" : options.config_file;
}

std::vector<std::string> field_paths(const nlohmann::json& config) {
  std::vector<std::string> paths;
  add_paths(config, "", paths);
  return paths;
}

const std::vector<std::string>& head_names() {
  static const std::vector<std::string> names = {"dense", "soft_moe", "sparse_moe", "hard_moe"};
  return names;
}

}  // namespace switchyard
