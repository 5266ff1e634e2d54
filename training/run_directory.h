#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "models/classifier.h"
#include "training/train_config.h"

namespace switchyard {

/// The files of one training run (docs/design/results.md).
class RunDirectory {
 public:
  /// A new run: makes the directory and writes its configuration. UsageError where `path` is a
  /// file, holds anything already, or cannot be written.
  static RunDirectory create(const std::filesystem::path& path, const TrainConfig& config);
  /// The UsageError that create() would throw because of what is at `path` already, before anything
  /// is done.
  static void check_free(const std::filesystem::path& path);
  /// An existing run. Error where there is none.
  static RunDirectory open(const std::filesystem::path& path);
  static bool exists(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path config_file() const { return path_ / "config.json"; }
  std::filesystem::path metrics_file() const { return path_ / "metrics.jsonl"; }
  /// The last state, all that --resume needs.
  std::filesystem::path checkpoint_file() const { return path_ / "checkpoint.safetensors"; }
  /// Weights of the epoch with the best validation accuracy: what is measured.
  std::filesystem::path best_file() const { return path_ / "best.safetensors"; }
  std::filesystem::path results_file() const { return path_ / "results.json"; }

  TrainConfig config() const;
  /// Whether every epoch is done.
  bool finished() const;

  /// What was measured so far; an empty object before anything was.
  nlohmann::json results() const;
  /// Sets top-level fields of the results and leaves the others, in one step.
  void update_results(const nlohmann::json& fields) const;

 private:
  explicit RunDirectory(std::filesystem::path path) : path_(std::move(path)) {}

  std::filesystem::path path_;
};

/// The best model of a run.
struct LoadedRun {
  TrainConfig config;
  std::unique_ptr<Classifier> model;
};

/// Builds the model of a run with its best weights, in `dtype` on `device`. Error where no epoch is
/// finished yet, or a file is damaged.
LoadedRun load_run(const RunDirectory& run, DType dtype = DType::kFloat32,
                   Device device = Device::kCpu);

}  // namespace switchyard
