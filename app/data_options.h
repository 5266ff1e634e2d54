#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "app/progress.h"
#include "app/signals.h"
#include "data/dataset.h"
#include "training/selection.h"

namespace switchyard {

void add_data_option(CLI::App& command, std::string& directory);

/// Finds the data set to work with; says through `progress` which one it is, and fetches CIFAR-10
/// with a bar where none is at hand. `set` is the configuration's data.set, the user's word for
/// images that nobody knows. FetchStopped when `stop`, which may be null, is requested meanwhile.
DatasetPair find_data(const std::string& directory, const std::string& set, Progress& progress,
                      const StopSignal* stop = nullptr);

/// Makes the `data_set` object of results.json and study.json.
nlohmann::json describe_data(const DatasetPair& data, const Selection& selection,
                             bool augmentation);

}  // namespace switchyard
