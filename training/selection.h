#pragma once

#include <cstdint>
#include <vector>

#include "data/dataset.h"
#include "training/train_config.h"

namespace switchyard {

/// The images of a data set that a run uses, as indices; each list ascends.
struct Selection {
  std::vector<std::int64_t> train, validation;  ///< of DatasetPair::train
  std::vector<std::int64_t> test;               ///< of DatasetPair::test
};

/// The seeded split and the limits of the configuration. UsageError where the configuration does
/// not fit the data: its name, its channels, its classes, more images held out than there are, a
/// last batch of one image that leaves batch norm a single value.
Selection select_images(const TrainConfig& config, const DatasetPair& data);

}  // namespace switchyard
