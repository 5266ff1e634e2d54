#pragma once

#include <filesystem>
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

/// The configuration: preset (or `earlier`, of a study that is resumed), then what `data` dictates
/// (channels, classes; left as they are where it is null), then file and options. UsageError where
/// a field is wrong, or where a resumed study would change in more than added heads and seeds.
StudyConfig resolve_study(const StudyOptions& options, const ImageDataset* data,
                          const std::optional<StudyConfig>& earlier = std::nullopt);

/// The configuration of the study in `directory`. Error where there is none.
StudyConfig read_study_config(const std::filesystem::path& directory);

}  // namespace switchyard
