#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace switchyard {

/// The options by which a command chooses and changes a configuration.
struct SettingsOptions {
  std::string preset;       ///< empty: not given
  std::string config_file;  ///< empty: not given
  std::vector<std::string> settings;
  std::optional<bool> augment;
  std::optional<std::string> device;
  std::optional<std::string> conv;
  std::optional<int> threads;
  bool reproducible = false;
};

void add_settings_options(CLI::App& command, SettingsOptions& options,
                          const std::string& preset_help);

/// What lies over the preset, lowest first: the file, --set, the other options. `training` is the
/// dotted path of the training configuration in the whole, with a dot at its end, or "".
std::vector<nlohmann::json> upper_layers(const SettingsOptions& options,
                                         const std::string& training);

/// What messages about a configuration begin with: the file where there is one.
std::string settings_source(const SettingsOptions& options);

}  // namespace switchyard
