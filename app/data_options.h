#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "app/progress.h"
#include "app/signals.h"
#include "data/dataset.h"
#include "data/identity.h"
#include "models/model_config.h"
#include "training/selection.h"

namespace switchyard {

void add_data_option(CLI::App& command, std::string& directory);

/// Finds the data set to work with; says through `progress` which one it is, and fetches CIFAR-10
/// with a bar where none is at hand. `set` is the configuration's data.set, the user's word for
/// images that nobody knows. FetchStopped when `stop`, which may be null, is requested meanwhile.
DatasetPair find_data(const std::string& directory, const std::string& set, Progress& progress,
                      const StopSignal* stop = nullptr);

/// Images and what makes them known again.
struct IdentifiedData {
  DatasetPair images;
  DataIdentity identity;
};

/// find_data() for a new run or study.
IdentifiedData find_identified_data(const std::string& directory, const std::string& set,
                                    Progress& progress, const StopSignal* stop = nullptr);

/// Finds the images of the run or study in `run`: in `directory` where one is given (--data), else
/// where they were. `set` as above. UsageError where those there are others. A run that has no
/// data.json takes what is given.
IdentifiedData find_data_of(const std::filesystem::path& run, const std::string& directory,
                            const std::string& set, Progress& progress);

/// Sets the fields that a data set dictates, channels and classes, unless `settings`, the JSON
/// object that the configuration was read from, has them.
void fit_to_data(BackboneConfig& backbone, const nlohmann::json& settings,
                 const ImageDataset& data);
void fit_to_data(HeadConfig& head, const nlohmann::json& settings, const ImageDataset& data);

/// Makes the `data_set` object of results.json and study.json.
nlohmann::json describe_data(const DatasetPair& data, const Selection& selection,
                             bool augmentation);

}  // namespace switchyard
