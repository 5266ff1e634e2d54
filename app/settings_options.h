#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "app/compute_options.h"

namespace switchyard {

/// The options by which a command chooses and changes a configuration.
struct SettingsOptions {
  std::string preset;       ///< empty: not given
  std::string config_file;  ///< empty: not given
  /// The contents of config_file once upper_layers() has read it: a pipe can be read only once.
  mutable std::shared_ptr<const nlohmann::json> config;
  std::vector<std::string> settings;
  std::optional<bool> augment;
  ComputeOptions compute;
  bool reproducible = false;
};

/// `preset_help` explains --preset; `example` is a PATH=VALUE that --set of this command takes.
void add_settings_options(CLI::App& command, SettingsOptions& options,
                          const std::string& preset_help, const std::string& example);

/// Returns the layers over the preset, lowest first: the file, --set, the other options. `training`
/// is the dotted path of the training configuration in the whole, with a dot at its end, or "".
std::vector<nlohmann::json> upper_layers(const SettingsOptions& options,
                                         const std::string& training);

/// Returns the beginning of messages about a configuration: the file where there is one.
std::string settings_source(const SettingsOptions& options);

/// Lists the dotted paths of all fields of `config` that are no objects: "optimizer.rate".
std::vector<std::string> field_paths(const nlohmann::json& config);

/// Lists the heads that a configuration can name.
const std::vector<std::string>& head_names();

}  // namespace switchyard
