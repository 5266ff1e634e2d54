#include "app/study/runner.h"

#include <fmt/chrono.h>

#include "analysis/report/report.h"
#include "app/data_options.h"
#include "app/machine.h"
#include "app/perturbation_measurement.h"
#include "app/study/spectra.h"
#include "app/train_run.h"
#include "engine/core/threads.h"
#include "engine/io/files.h"
#include "engine/io/json.h"
#include "models/multiply_adds.h"

namespace switchyard {
namespace {

using nlohmann::json;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// "Dense, soft and sparse heads on CIFAR-10", "Dense head and patch MoE on CIFAR-10".
std::string title(const StudyConfig& config, const std::string& data) {
  std::vector<std::string> heads;
  for (const ModelConfig& model : config.models) {
    if (model.backbone.has_moe()) continue;
    const std::string kind = model.head.name.substr(0, model.head.name.find('_'));
    if (std::find(heads.begin(), heads.end(), kind) == heads.end()) heads.push_back(kind);
  }
  const bool patches = std::ranges::any_of(
      config.models, [](const ModelConfig& model) { return model.backbone.has_moe(); });
  if (heads.empty()) return fmt::format("Patch MoE on {}", data);
  std::string text = heads.front();
  for (std::size_t i = 1; i < heads.size(); ++i) {
    text += (i + 1 == heads.size() ? " and " : ", ") + heads[i];
  }
  text[0] = static_cast<char>(std::toupper(text[0]));
  return fmt::format("{} head{}{} on {}", text, heads.size() == 1 ? "" : "s",
                     patches ? " and patch MoE" : "", data);
}

bool spectra_complete(const json& results) {
  return results.value("spectra", json::object()).value("complete", false);
}

/// Says whether a run has all that a study measures, of its weights. One that `switchyard train`
/// finished has not.
bool is_complete(const RunDirectory& run, const AnalysisConfig& analysis) {
  const json results = run.results();
  if (!analysis.hessian.empty() && !spectra_complete(results)) return false;
  for (const char* section : {"test", "train", "curvature", "perturbation", "efficiency"}) {
    if (!results.contains(section)) return false;
  }
  return run.measured_weights() == analysis.weights && results.value("status", "") == "complete";
}

/// Removes the files of a study that has no run, so that its directory is free again.
void remove_unless_saved(const std::filesystem::path& directory) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory, ignored)) {
    if (entry.is_directory(ignored)) return;
  }
  std::filesystem::remove(study_file(directory), ignored);
  std::filesystem::remove(data_file(directory), ignored);
}

}  // namespace

StudyRunner::StudyRunner(const DirectoryOwner& directory, const StudyConfig& config,
                         const IdentifiedData& data, const StopSignal& stop, Progress& progress,
                         const std::string& command)
    : directory_(directory.path()),
      config_(config),
      data_(data.images),
      identity_(data.identity),
      stop_(stop),
      progress_(progress),
      start_(std::chrono::steady_clock::now()) {
  const std::filesystem::path file = study_file(directory_);
  study_ = path_exists(file)
               ? read_json(file)
               : json{{"command", command},
                      {"created",
                       fmt::format("{:%FT%TZ}", fmt::gmtime(std::chrono::system_clock::now()))},
                      {"seconds", 0.0}};
  earlier_seconds_ = JsonObject(study_, file.string()).required<double>("seconds");
}

bool StudyRunner::run() {
  try {
    write_json_atomic(data_file(directory_), to_json(identity_));
    write_study(/*complete=*/false);
    return run_all();
  } catch (...) {
    remove_unless_saved(directory_);
    throw;
  }
}

bool StudyRunner::run_all() {
  bool complete = true;
  for (const StudyRun& planned : study_runs(config_)) {
    complete = run_one(planned);
    if (!complete) break;
    finished_.push_back(planned.name);
    write_study(/*complete=*/false);
  }
  complete = complete && measure_gain();
  write_study(complete);
  if (!finished_.empty()) write_report(directory_);
  return complete;
}

/// Returns false when it was stopped.
bool StudyRunner::run_one(const StudyRun& planned) {
  const std::filesystem::path path = directory_ / planned.name;
  if (!RunDirectory::exists(path)) {
    const RunDirectory run =
        RunDirectory::create(DirectoryOwner::create(path), planned.config, identity_);
    try {
      return train_and_measure(run, planned);
    } catch (...) {
      run.remove_unless_saved();
      throw;
    }
  }
  if (is_complete(RunDirectory::open(path), config_.analysis)) {
    progress_.line(fmt::format("{}: finished already", planned.name));
    return true;
  }
  const RunDirectory run = RunDirectory::own(path);
  run.update_data(identity_);  // the images may have moved
  return train_and_measure(run, planned);
}

/// Returns false when it was stopped.
bool StudyRunner::train_and_measure(const RunDirectory& run, const StudyRun& planned) {
  if (train_run(run, data_, stop_, progress_, planned.name) == TrainingOutcome::kStopped) {
    return false;
  }
  keep_results_of(run, config_.analysis.weights, planned.name, progress_);
  if (!measure(run, select_images(planned.config, data_), planned.name)) return false;
  run.update_results({{"status", "complete"}});
  return true;
}

/// Sets the models of the first seed beside each other, where one of them routes and that is not
/// done yet; false when it was stopped before.
bool StudyRunner::measure_gain() {
  const Shape& images = data_.test.images.shape();  // [N, H, W, C]
  std::vector<StudyRun> planned = study_runs(config_);
  planned.resize(config_.models.size());
  const bool routes = std::ranges::any_of(planned, [&](const StudyRun& run) {
    return multiply_adds(run.config.model, images[1], images[2]).routed > 0.0;
  });
  json names = json::array();
  for (const StudyRun& run : planned) names.push_back(run.name);
  const json earlier = study_.value("routing_gain", json::object());
  if (!routes || earlier.value("runs", json()) == names) return true;
  if (stop_.requested()) return false;
  const auto start = std::chrono::steady_clock::now();
  progress_.status("measuring what routing gains");
  std::vector<RunDirectory> runs;
  for (const StudyRun& run : planned) runs.push_back(RunDirectory::open(directory_ / run.name));
  study_["routing_gain"] = routing_gain_section(runs, data_, config_.analysis);
  progress_.line(fmt::format("what routing gains measured in {:.1f} s", seconds_since(start)));
  return true;
}

/// Measures the perturbation, and before it the curvature, which it stores, unless that is done;
/// null when it was stopped between two points of the perturbation.
json StudyRunner::perturbation_of(const RunDirectory& run, const Selection& selection,
                                  const std::string& label) {
  const AnalysisConfig& analysis = config_.analysis;
  const LoadedRun loaded =
      load_run(run, analysis.weights, analysis.dtype, parse_device(config_.training.device));
  const Subsets subsets = analysis_subsets(data_, selection, analysis);
  LanczosResult top;
  if (run.results().contains("curvature")) {
    top = top_eigenvector(*loaded.model, subsets, analysis);
  } else {
    const SpectraStage spectra(analysis, progress_, stop_);
    Curvature curvature = curvature_of_subsets(
        *loaded.model, subsets, analysis, spectra.shared_products(run, *loaded.model, subsets));
    run.update_results({{"curvature", curvature_section(curvature, analysis)}});
    top = std::move(curvature.train.largest_eigenvalue);
  }
  const std::optional<json> perturbation = measure_perturbation(
      *loaded.model, subsets, top, analysis, run.path() / "perturbation", stop_, progress_, label);
  return perturbation ? json{{"perturbation", *perturbation}} : json();
}

/// Measures what is not measured yet; false when it was stopped in or between stages.
bool StudyRunner::measure(const RunDirectory& run, const Selection& selection,
                          const std::string& label) {
  const auto stage = [&](std::initializer_list<const char*> fields, const char* what, auto&& work) {
    if (stop_.requested()) return false;
    const json results = run.results();
    if (std::ranges::all_of(fields, [&](auto field) { return results.contains(field); }))
      return true;
    const auto start = std::chrono::steady_clock::now();
    progress_.status(fmt::format("{}: measuring {}", label, what));
    const json found = work();
    if (found.is_null()) return false;
    run.update_results(found);
    progress_.line(fmt::format("{}: {} measured in {:.1f} s", label, what, seconds_since(start)));
    return true;
  };
  const RunWeights weights = config_.analysis.weights;
  return stage({"test", "train"}, "test and training images",
               [&] { return score_section(run, weights, data_, selection, thread_count()); }) &&
         stage({"curvature", "perturbation"}, "curvature and perturbation",
               [&] { return perturbation_of(run, selection, label); }) &&
         measure_spectra(run, selection, label) && stage({"efficiency"}, "efficiency", [&] {
           return json{{"efficiency", efficiency_section(run, data_, config_.analysis)}};
         });
}

/// Measures what `analysis.hessian` lists, where that is not done yet; false when it was stopped.
bool StudyRunner::measure_spectra(const RunDirectory& run, const Selection& selection,
                                  const std::string& label) {
  if (stop_.requested()) return false;
  if (config_.analysis.hessian.empty() || spectra_complete(run.results())) return true;
  const auto start = std::chrono::steady_clock::now();
  const SpectraStage stage(config_.analysis, progress_, stop_);
  if (!stage.measure(run, data_, selection, parse_device(config_.training.device))) return false;
  progress_.line(fmt::format("{}: spectra measured in {:.1f} s", label, seconds_since(start)));
  return true;
}

void StudyRunner::write_study(bool complete) {
  const Selection selection = select_images(study_runs(config_).front().config, data_);
  const TrainConfig& training = config_.training;
  study_.update({{"schema", "switchyard-study/1"},
                 {"title", title(config_, data_.train.name)},
                 {"preset", config_.preset},
                 {"status", complete ? "complete" : "interrupted"},
                 {"seconds", earlier_seconds_ + seconds_since(start_)},
                 {"data_set", describe_data(data_, selection, training.data.augment)},
                 {"machine", describe_machine(training.device, thread_count())},
                 {"runs", finished_},
                 {"configuration", to_json(config_)}});
  write_json_atomic(study_file(directory_), study_);
}

}  // namespace switchyard
