#include "training/run_directory.h"

#include <climits>

#include "engine/core/check.h"
#include "engine/io/files.h"
#include "engine/io/json.h"
#include "models/state.h"
#include "training/checkpoint.h"

namespace switchyard {
namespace {

/// The file that holds these weights, which are of a finished epoch.
std::filesystem::path weights_file(const RunDirectory& run, RunWeights weights) {
  check(std::filesystem::exists(run.best_file()),
        "{}: no finished epoch yet (best.safetensors is missing)", run.path().string());
  if (weights == RunWeights::kBest) return run.best_file();
  const TrainingState state = read_training_state(run.checkpoint_file());
  check(state.step == 0,
        "{}: epoch {} is under way (step {}), so the last epoch's weights are gone: train --resume "
        "finishes it, weights=best takes those of epoch {}",
        run.path().string(), state.finished_epochs + 1, state.step, state.best_epoch);
  return run.checkpoint_file();
}

}  // namespace

std::string_view name(RunWeights weights) { return weights == RunWeights::kBest ? "best" : "last"; }

RunWeights parse_run_weights(std::string_view text) {
  for (const RunWeights weights : {RunWeights::kBest, RunWeights::kLast}) {
    if (text == name(weights)) return weights;
  }
  throw UsageError(fmt::format("weights: must be best or last, got '{}'", text));
}

RunDirectory::RunDirectory(std::filesystem::path path, std::optional<DirectoryOwner> owner)
    : path_(std::move(path)) {
  if (!owner) return;
  owner_ = std::make_shared<const DirectoryOwner>(std::move(*owner));
  const AtomicFile largest(checkpoint_file());  // can it be written? better to know now
}

RunDirectory RunDirectory::create(DirectoryOwner owner, const TrainConfig& config,
                                  const DataIdentity& data) {
  const std::filesystem::path path = owner.path();
  RunDirectory run(path, std::move(owner));
  try {
    run.update_data(data);
    write_json_atomic(run.config_file(), to_json(config));  // last: it makes the run exist
  } catch (...) {
    run.remove_unless_saved();
    throw;
  }
  return run;
}

RunDirectory RunDirectory::own(const std::filesystem::path& path) {
  open(path);  // for its errors
  return RunDirectory(path, DirectoryOwner::take(path));
}

RunDirectory RunDirectory::own_or_open(const std::filesystem::path& path) {
  open(path);  // for its errors
  return RunDirectory(path, DirectoryOwner::try_to_take(path));
}

RunDirectory RunDirectory::open(const std::filesystem::path& path) {
  check(exists(path), "{}: no run directory (it has no config.json)", path.string());
  return RunDirectory(path);
}

bool RunDirectory::exists(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path / "config.json", ignored);
}

void RunDirectory::check_path(const std::filesystem::path& path) {
  constexpr std::size_t kLongestName = 64;  // of a run's files and of their temporary files
  check<UsageError>(path.native().size() + kLongestName < PATH_MAX,
                    "{}: a path of {} bytes leaves no room for the names of a run's files",
                    path.string(), path.native().size());
}

TrainConfig RunDirectory::config() const {
  return parse_train_config(read_json(config_file()), config_file().string());
}

nlohmann::json RunDirectory::results() const {
  if (!std::filesystem::exists(results_file())) return nlohmann::json::object();
  nlohmann::json results = read_json(results_file());
  check(results.is_object(), "{}: expected an object", results_file().string());
  return results;
}

std::optional<RunWeights> RunDirectory::measured_weights() const {
  const nlohmann::json all = results();
  if (all.empty()) return std::nullopt;
  return parse_run_weights(
      JsonObject(all, results_file().string()).choice("weights", "best", {"best", "last"}));
}

void RunDirectory::update_data(const DataIdentity& data) const {
  check_owned();
  write_json_atomic(data_file(), to_json(data));
}

void RunDirectory::update_results(const nlohmann::json& fields) const {
  check_owned();
  nlohmann::json all = results();
  all.update(fields);
  write_json_atomic(results_file(), all);
}

void RunDirectory::forget_results() const {
  check_owned();
  std::error_code error;
  std::filesystem::remove(results_file(), error);
  check(!error, "{}: cannot remove: {}", results_file().string(), error.message());
}

void RunDirectory::remove_unless_saved() const {
  check_owned();
  std::error_code ignored;
  if (std::filesystem::exists(checkpoint_file(), ignored)) return;
  for (const auto& file : {config_file(), data_file(), metrics_file(), best_file()}) {
    std::filesystem::remove(file, ignored);
  }
}

void RunDirectory::check_owned() const {
  check(owned(), "{}: opened for reading only", path_.string());
}

LoadedRun load_run(const RunDirectory& run, RunWeights weights, DType dtype, Device device) {
  LoadedRun loaded{run.config(), nullptr};
  const std::filesystem::path path = weights_file(run, weights);
  loaded.model = make_classifier(loaded.config.model, Generator(loaded.config.seed), dtype, device);
  const TensorFile file = read_weights(path);
  load_state_dict(*loaded.model, file.tensors, path.string(), file.skipped);
  return loaded;
}

}  // namespace switchyard
