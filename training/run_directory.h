#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "data/identity.h"
#include "models/classifier.h"
#include "training/directory_owner.h"
#include "training/train_config.h"

namespace switchyard {

/// Which weights of a run are measured.
enum class RunWeights {
  kBest,  ///< after the epoch with the best validation accuracy: best.safetensors
  kLast   ///< after the last finished epoch, without early stopping: checkpoint.safetensors
};

std::string_view name(RunWeights weights);  ///< "best", "last"
/// The reverse. UsageError for another text.
RunWeights parse_run_weights(std::string_view text);

/// The files of one training run (docs/design/results.md). Whoever writes them owns the directory;
/// copies share the ownership. Anyone may read, also while another process trains.
class RunDirectory {
 public:
  /// A new run in the empty directory that `owner` holds: writes which images it uses and its
  /// configuration.
  static RunDirectory create(DirectoryOwner owner, const TrainConfig& config,
                             const DataIdentity& data);
  /// An existing run, to be continued. Error where there is none or another process has it.
  static RunDirectory own(const std::filesystem::path& path);
  /// own() where no other process has the run, else open().
  static RunDirectory own_or_open(const std::filesystem::path& path);
  /// An existing run, to be read. Error where there is none.
  static RunDirectory open(const std::filesystem::path& path);
  static bool exists(const std::filesystem::path& path);
  /// UsageError where the paths of a run's files in `path` would be longer than the system allows.
  static void check_path(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path config_file() const { return path_ / "config.json"; }
  std::filesystem::path data_file() const { return switchyard::data_file(path_); }
  std::filesystem::path metrics_file() const { return path_ / "metrics.jsonl"; }
  /// The last state, all that --resume needs.
  std::filesystem::path checkpoint_file() const { return path_ / "checkpoint.safetensors"; }
  /// Weights of the epoch with the best validation accuracy.
  std::filesystem::path best_file() const { return path_ / "best.safetensors"; }
  std::filesystem::path results_file() const { return path_ / "results.json"; }

  bool owned() const { return owner_ != nullptr; }

  TrainConfig config() const;
  /// The images that the run uses. Error where data.json is missing.
  DataIdentity data() const { return read_data_identity(data_file()); }

  /// Returns what was measured so far: an empty object before anything was.
  nlohmann::json results() const;
  /// Which weights all results are of; nothing before anything was measured. Files of earlier
  /// versions do not say it: they are of the best ones.
  std::optional<RunWeights> measured_weights() const;

  // The rest is an Error unless the directory is owned.

  /// Notes where the same images are now.
  void update_data(const DataIdentity& data) const;
  /// Sets top-level fields of the results and leaves the others, in one step.
  void update_results(const nlohmann::json& fields) const;
  /// Removes the results, which are of weights that are about to be replaced.
  void forget_results() const;
  /// Removes the files of a run that has no checkpoint, so that its directory is free again.
  void remove_unless_saved() const;

 private:
  explicit RunDirectory(std::filesystem::path path, std::optional<DirectoryOwner> owner = {});
  void check_owned() const;

  std::filesystem::path path_;
  std::shared_ptr<const DirectoryOwner> owner_;  // null: for reading
};

/// The model of a run.
struct LoadedRun {
  TrainConfig config;
  std::unique_ptr<Classifier> model;
};

/// Builds the model of a run with these weights, in `dtype` on `device`. Error where no epoch is
/// finished yet, where the last weights are wanted in the middle of an epoch, or a file is damaged.
LoadedRun load_run(const RunDirectory& run, RunWeights weights, DType dtype = DType::kFloat32,
                   Device device = Device::kCpu);

}  // namespace switchyard
