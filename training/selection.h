#pragma once

#include <cstdint>
#include <vector>

#include "data/dataset.h"
#include "training/train_config.h"

namespace switchyard {

/// Which images of a data set a run uses: indices, each list ascending.
struct Selection {
  std::vector<std::int64_t> train, validation;  ///< of DatasetPair::train
  std::vector<std::int64_t> test;               ///< of DatasetPair::test
};

/// The seeded split and the limits of the configuration. UsageError where the configuration does
/// not fit the data: its name, its channels, its classes, more images held out than there are.
Selection select_images(const TrainConfig& config, const DatasetPair& data);

}  // namespace switchyard
