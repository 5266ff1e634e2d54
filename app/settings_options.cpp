#include "app/settings_options.h"

#include <fmt/format.h>

#include "app/device_option.h"
#include "app/validators.h"
#include "engine/io/json.h"
#include "training/presets.h"
#include "training/settings.h"

namespace switchyard {

void add_settings_options(CLI::App& command, SettingsOptions& options,
                          const std::string& preset_help) {
  const std::string group = "Configuration";
  const auto add = [&](const char* name, auto& value, const std::string& help) {
    return command.add_option(name, value, help)->group(group);
  };
  add("--preset", options.preset, preset_help)->check(CLI::IsMember(preset_names()));
  add("--config", options.config_file, "JSON file whose fields replace the preset's");
  add("--set", options.settings, "PATH=VALUE replaces one field: optimizer.rate=0.2 (repeatable)")
      ->allow_extra_args(false);
  // Not a flag of an optional: CLI11 2.1 would set it whether it is given or not.
  const auto set_augment = [&options](std::int64_t count) { options.augment = count > 0; };
  command
      .add_flag_function("--augment,!--no-augment", set_augment,
                         "Random crops and mirror images in training, or not")
      ->group(group);
  add("--device", options.device, kDeviceHelp);
  add("--conv", options.conv, kConvHelp);
  add("--threads", options.threads, "Worker threads (default: one per core)")->check(at_least(1));
  command
      .add_flag("--reproducible", options.reproducible,
                "Same bits for any number of threads; slower")
      ->group(group);
}

std::vector<nlohmann::json> upper_layers(const SettingsOptions& options,
                                         const std::string& training) {
  std::vector<nlohmann::json> layers;
  if (!options.config_file.empty()) layers.push_back(read_json(options.config_file));
  for (const std::string& setting : options.settings) layers.push_back(parse_setting(setting));
  const auto add = [&](const std::string& field, const nlohmann::json& value) {
    layers.push_back(parse_setting(training + field + "=" + value.dump()));
  };
  if (options.augment) add("data.augment", *options.augment);
  if (options.device) add("device", *options.device);
  if (options.conv) add("conv", *options.conv);
  if (options.threads) add("threads", *options.threads);
  if (options.reproducible) add("reproducible", true);
  return layers;
}

std::string settings_source(const SettingsOptions& options) {
  return options.config_file.empty() ? "configuration" : options.config_file;
}

}  // namespace switchyard
