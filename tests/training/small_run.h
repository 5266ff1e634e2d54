#pragma once

#include "data/dataset.h"
#include "training/run_directory.h"
#include "training/train_config.h"

namespace switchyard::test {

/// A data set of small images whose class is their brightness pattern under noise.
DatasetPair small_data(std::int64_t train_images = 96, std::int64_t test_images = 40);

/// A sparse head (dropout and gate noise: random numbers matter) on the small backbone, batches of
/// 16 of 64 images: 4 steps per epoch.
TrainConfig small_config();

/// A new run on `data`, owned.
RunDirectory create_run(const std::filesystem::path& path, const TrainConfig& config,
                        const DatasetPair& data);

}  // namespace switchyard::test
