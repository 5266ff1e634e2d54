#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "engine/core/random.h"
#include "engine/io/safetensors.h"
#include "engine/nn/optimizer.h"
#include "models/classifier.h"
#include "models/state.h"
#include "training/evaluate.h"
#include "training/gate_sums.h"

namespace switchyard {

/// Says where a training run stands between two steps. With the parameters, buffers and momentum it
/// is all that the run's future depends on: the order of images follows from the seed and the
/// epoch.
struct TrainingState {
  std::int64_t finished_epochs = 0;
  std::int64_t step = 0;       ///< steps done in the epoch under way
  RandomPosition random;       ///< of dropout and gate noise
  ScoreSums sums;              ///< of the epoch under way
  GateSums gate;               ///< of the epoch under way; MoE heads
  double epoch_seconds = 0.0;  ///< spent in the epoch under way
  std::int64_t best_epoch = 0;
  double best_validation_accuracy = 0.0;
};

/// Writes parameters and buffers under PyTorch's names, momentum as "momentum.<parameter>", the
/// float32 masters of bfloat16 parameters as "master.<parameter>" and the state as JSON in the
/// metadata entry "training", all in one step: the file at `path` is the old one or the new one,
/// never a part.
void save_checkpoint(const std::filesystem::path& path, Classifier& model, nn::Sgd& optimizer,
                     const TrainingState& state);

/// The reverse. Error naming the file where anything is missing, extra, of another shape, not
/// finite or out of range.
TrainingState load_checkpoint(const std::filesystem::path& path, Classifier& model,
                              nn::Sgd& optimizer);

/// The state alone.
TrainingState read_training_state(const std::filesystem::path& path);

/// A weights or checkpoint file without the momentum and the masters of a checkpoint.
TensorFile read_weights(const std::filesystem::path& path);

}  // namespace switchyard
