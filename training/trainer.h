#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "data/dataset.h"
#include "data/loader.h"
#include "engine/nn/optimizer.h"
#include "models/classifier.h"
#include "training/checkpoint.h"
#include "training/metrics.h"
#include "training/run_directory.h"
#include "training/selection.h"
#include "training/train_config.h"

namespace switchyard {

/// Where a run is, after each step.
struct StepProgress {
  std::int64_t epoch = 0;  ///< from 1
  std::int64_t epochs = 0;
  std::int64_t step = 0;  ///< done in this epoch
  std::int64_t steps = 0;
  Scores train;  ///< running mean over the epoch
};

/// What a run reports while it goes on. Either may be empty.
struct TrainingObserver {
  std::function<void(const StepProgress&)> step = nullptr;
  std::function<void(const EpochMetrics&)> epoch = nullptr;
};

enum class TrainingOutcome { kFinished, kStopped };

/// Trains one classifier and keeps its run directory up to date: after each epoch the best weights,
/// a line of metrics and the checkpoint, in this order, so that a kill at any moment leaves files
/// that resume() continues from, bit for bit.
///
/// Minimises cross-entropy + balance losses with SGD. The same configuration, data and number of
/// threads give the same files, except for the seconds in the metrics.
class Trainer {
 public:
  /// `data` must outlive the trainer. UsageError where the configuration does not fit the data.
  Trainer(const RunDirectory& run, const DatasetPair& data, TrainingObserver observer = {});

  /// Continues from the run's checkpoint, if there is one; otherwise starts from the beginning.
  void resume();

  /// Trains until the last epoch or until `should_stop` says so, which is asked after each step;
  /// then saves, within an epoch too. Error when the loss or a gradient is not finite, naming the
  /// step and the parameter groups; the checkpoint stays that of the last finished epoch.
  TrainingOutcome run(const std::function<bool()>& should_stop = nullptr);

  const TrainingState& state() const { return state_; }

 private:
  bool train_epoch(const std::function<bool()>& should_stop);
  void train_step(const Batch& host_batch);
  std::string why_not(const Error& error, const Tensor& loss,
                      const std::vector<Tensor>& gradients) const;
  void finish_epoch(std::chrono::steady_clock::time_point start);
  [[noreturn]] void fail_step(const std::string& what) const;
  double rate() const;
  void save();

  RunDirectory run_;
  TrainConfig config_;
  const DatasetPair& data_;
  TrainingObserver observer_;
  Selection selection_;
  std::unique_ptr<Classifier> model_;
  nn::Sgd optimizer_;
  Generator random_;  // dropout and gate noise
  BatchLoader loader_;
  TrainingState state_;
};

}  // namespace switchyard
