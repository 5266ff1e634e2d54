#include "training/run_directory.h"

#include "engine/core/check.h"
#include "engine/io/files.h"
#include "engine/io/json.h"
#include "models/state.h"
#include "training/checkpoint.h"

namespace switchyard {

void RunDirectory::check_free(const std::filesystem::path& path) {
  std::error_code ignored;
  const bool is_free =
      !std::filesystem::exists(path, ignored) ||
      (std::filesystem::is_directory(path, ignored) && std::filesystem::is_empty(path, ignored));
  check<UsageError>(is_free, "{}: exists already (--resume continues it, --out names another)",
                    path.string());
}

RunDirectory RunDirectory::create(const std::filesystem::path& path, const TrainConfig& config) {
  make_output_directory(path, /*allow_existing=*/false);
  RunDirectory run(path);
  write_json_atomic(run.config_file(), to_json(config));
  return run;
}

RunDirectory RunDirectory::open(const std::filesystem::path& path) {
  check(exists(path), "{}: no run directory (it has no config.json)", path.string());
  return RunDirectory(path);
}

bool RunDirectory::exists(const std::filesystem::path& path) {
  return std::filesystem::is_regular_file(path / "config.json");
}

TrainConfig RunDirectory::config() const {
  return parse_train_config(read_json(config_file()), config_file().string());
}

bool RunDirectory::finished() const {
  return std::filesystem::exists(checkpoint_file()) &&
         read_training_state(checkpoint_file()).finished_epochs == config().epochs;
}

nlohmann::json RunDirectory::results() const {
  if (!std::filesystem::exists(results_file())) return nlohmann::json::object();
  nlohmann::json results = read_json(results_file());
  check(results.is_object(), "{}: expected an object", results_file().string());
  return results;
}

void RunDirectory::update_results(const nlohmann::json& fields) const {
  nlohmann::json all = results();
  all.update(fields);
  write_json_atomic(results_file(), all);
}

LoadedRun load_run(const RunDirectory& run, DType dtype, Device device) {
  LoadedRun loaded{run.config(), nullptr};
  check(std::filesystem::exists(run.best_file()),
        "{}: no finished epoch yet (best.safetensors is missing)", run.path().string());
  loaded.model = make_classifier(loaded.config.model, Generator(loaded.config.seed), dtype, device);
  const TensorFile weights = read_weights(run.best_file());
  load_state_dict(*loaded.model, weights.tensors, run.best_file().string(), weights.skipped);
  return loaded;
}

}  // namespace switchyard
