#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "app/settings_options.h"
#include "app/study/study_config.h"
#include "data/dataset.h"

namespace switchyard {

/// The options that make a study's configuration.
struct StudyOptions {
  SettingsOptions settings;
  std::vector<std::string> heads;  ///< empty: as configured
  std::optional<std::int64_t> seeds;
};

/// A study's configuration and the JSON, all layers in one, that it was read from.
struct ResolvedStudy {
  StudyConfig config;
  nlohmann::json settings;

  /// Sets what the data set dictates and the settings leave open: channels and classes.
  void fit_to(const ImageDataset& data);
};

/// Lays the file and the options over the preset, or over `earlier`, the configuration of a study
/// that is resumed, and reads the whole. UsageError where a field is wrong, or where a resumed
/// study would change in more than added heads and seeds.
ResolvedStudy resolve_study(const StudyOptions& options,
                            const std::optional<nlohmann::json>& earlier = std::nullopt);

/// The configuration of the study in `directory`, every field. Error where there is none.
nlohmann::json read_study_settings(const std::filesystem::path& directory);

}  // namespace switchyard
