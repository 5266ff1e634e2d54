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

/// Says where a run is, after each step.
struct StepProgress {
  std::int64_t epoch = 0;  ///< from 1
  std::int64_t epochs = 0;
  std::int64_t step = 0;  ///< done in this epoch
  std::int64_t steps = 0;
  Scores train;  ///< running mean over the epoch
};

/// Receives what a run reports while it goes on. Either function may be empty.
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
  /// `run` is owned; `data` must outlive the trainer. UsageError where the configuration does not
  /// fit the data.
  Trainer(const RunDirectory& run, const DatasetPair& data, TrainingObserver observer = {});

  /// Continues from the run's checkpoint, if there is one; otherwise starts from the beginning.
  void resume();

  /// Trains until the last epoch or until `should_stop` says so, which is asked after each step;
  /// then saves, within an epoch too.
  ///
  /// Whatever goes wrong (a loss, a gradient, a running statistic or an evaluation that is not
  /// finite, a fault of the device, no memory, a full disk) is an Error that names the epoch and
  /// the step and says that the checkpoint is as it was: nothing that is not finite replaces a
  /// file.
  TrainingOutcome run(const std::function<bool()>& should_stop = nullptr);

  const TrainingState& state() const { return state_; }

 private:
  bool train_epoch(const std::function<bool()>& should_stop);
  std::uintmax_t bytes_to_come();
  bool next_step();
  void train_step(const Batch& host_batch);
  std::string why_not(const Error& error, const Tensor& loss,
                      const std::vector<Tensor>& gradients) const;
  void attempt(const std::function<void()>& work) const;
  EpochMetrics measure_epoch(std::chrono::steady_clock::time_point start);
  EpochMetrics finish_epoch(std::chrono::steady_clock::time_point start);
  void save_within_epoch(std::chrono::steady_clock::time_point start);
  [[noreturn]] void fail(const std::string& what) const;
  std::string kept() const;
  double rate() const;
  void check_finite();
  void save(TrainingState next);

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
