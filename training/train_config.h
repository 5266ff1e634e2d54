#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "engine/core/dtype.h"
#include "models/model_config.h"

namespace switchyard {

// Bounds what a configuration may ask for: far above any run, low enough that no count of images or
// steps that is computed of them overflows.
inline constexpr std::int64_t kMaxEpochs = 1'000'000;
inline constexpr std::int64_t kMaxBatchSize = 1'000'000;
inline constexpr std::int64_t kMaxImages = 1'000'000'000;
inline constexpr int kMaxThreads = 4096;

/// Chooses the images that a run sees.
struct DataConfig {
  /// The data set must be this one, or is taken for it where its files do not tell; empty: any.
  std::string set;
  bool augment = false;            ///< random crops and mirror images in training
  std::int64_t validation = 5000;  ///< images held out of the training set
  std::int64_t train_limit = 0;    ///< train on so many of the others, chosen at random; 0: all
  std::int64_t test_limit = 0;     ///< test on so many, chosen at random; 0: all
};

struct OptimizerConfig {
  double rate = 0.1;  ///< multi_step: before the first milestone; one_cycle: the peak
  double momentum = 0.9;
  double weight_decay = 5e-4;
};

/// Says how the learning rate moves (engine/nn/schedule.h). Fields of the other kind are errors in
/// JSON.
struct ScheduleConfig {
  std::string kind = "multi_step";                  ///< or "one_cycle"
  std::vector<std::int64_t> milestones = {30, 40};  ///< multi_step: finished epochs
  double factor = 0.1;                              ///< multi_step: at each milestone
  double warmup_fraction = 0.3;                     ///< one_cycle: of all steps
  double start_divisor = 25.0;                      ///< one_cycle: first rate = peak / this
  double final_divisor = 1e4;                       ///< one_cycle: last rate = first rate / this
  std::string anneal = "cosine";                    ///< one_cycle: or "linear"
};

/// Everything that one training run depends on. The defaults are the published configuration.
struct TrainConfig {
  ModelConfig model;
  DataConfig data;
  std::int64_t batch_size = 128;
  std::int64_t evaluation_batch_size = 500;
  std::int64_t epochs = 50;
  OptimizerConfig optimizer;
  ScheduleConfig schedule;
  std::uint64_t seed = 1;  ///< of the initial values, the split, the order and the noise
  /// Of images, activations and weights. In bfloat16 the optimiser's copy of the weights, running
  /// statistics, gates and the loss are float32.
  DType dtype = DType::kFloat32;
  std::string device = "cpu";
  std::string conv = "own";   ///< whose convolutions: "own", or "cudnn" on a GPU
  int threads = 0;            ///< worker threads; 0: as many as cores
  bool reproducible = false;  ///< same bits for any number of threads
};

/// Reads a training configuration; fields that are left out take the defaults above. `where` begins
/// every message (a file name). UsageError in one line naming the field: unknown, of the wrong
/// type, or out of range.
TrainConfig parse_train_config(const nlohmann::json& json, const std::string& where);
/// Every field, those of the other heads and schedules excepted.
nlohmann::json to_json(const TrainConfig& config);

/// Learning rate of step `step` (from 0) in epoch `epoch` (from 0) of `steps_per_epoch` steps.
double learning_rate(const TrainConfig& config, std::int64_t epoch, std::int64_t step,
                     std::int64_t steps_per_epoch);

/// Sets the process up as the configuration says: device and its convolutions, number of threads,
/// reproducibility. Returns the number of threads that are now used. UsageError when the device is
/// missing or has no such convolutions.
int apply_execution(const TrainConfig& config);

}  // namespace switchyard
