#include "app/study/runner.h"

#include <fmt/chrono.h>

#include "analysis/report/report.h"
#include "app/data_options.h"
#include "app/machine.h"
#include "app/train_run.h"
#include "engine/core/threads.h"
#include "engine/io/json.h"

namespace switchyard {
namespace {

using nlohmann::json;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// "Dense, soft and sparse heads on CIFAR-10".
std::string title(const StudyConfig& config, const std::string& data) {
  std::vector<std::string> heads;
  for (const HeadConfig& head : config.heads) {
    const std::string kind = head.name.substr(0, head.name.find('_'));
    if (std::find(heads.begin(), heads.end(), kind) == heads.end()) heads.push_back(kind);
  }
  std::string text = heads.front();
  for (std::size_t i = 1; i < heads.size(); ++i) {
    text += (i + 1 == heads.size() ? " and " : ", ") + heads[i];
  }
  text[0] = static_cast<char>(std::toupper(text[0]));
  return fmt::format("{} head{} on {}", text, heads.size() == 1 ? "" : "s", data);
}

}  // namespace

StudyRunner::StudyRunner(std::filesystem::path directory, const StudyConfig& config,
                         const DatasetPair& data, const StopSignal& stop, Progress& progress,
                         const std::string& command)
    : directory_(std::move(directory)),
      config_(config),
      data_(data),
      stop_(stop),
      progress_(progress),
      start_(std::chrono::steady_clock::now()) {
  const std::filesystem::path file = study_file(directory_);
  study_ = std::filesystem::exists(file)
               ? read_json(file)
               : json{{"command", command},
                      {"created",
                       fmt::format("{:%FT%TZ}", fmt::gmtime(std::chrono::system_clock::now()))},
                      {"seconds", 0.0}};
  earlier_seconds_ = JsonObject(study_, file.string()).required<double>("seconds");
  write_study(/*complete=*/false);
}

bool StudyRunner::run() {
  bool complete = true;
  for (const StudyRun& planned : study_runs(config_)) {
    complete = run_one(planned);
    if (!complete) break;
    finished_.push_back(planned.name);
    write_study(/*complete=*/false);
  }
  write_study(complete);
  if (!finished_.empty()) write_report(directory_);
  return complete;
}

/// False when it was stopped.
bool StudyRunner::run_one(const StudyRun& planned) {
  const std::filesystem::path path = directory_ / planned.name;
  const RunDirectory run = RunDirectory::exists(path) ? RunDirectory::open(path)
                                                      : RunDirectory::create(path, planned.config);
  if (run.results().value("status", "") == "complete") {
    progress_.line(fmt::format("{}: finished already", planned.name));
    return true;
  }
  if (train_run(run, data_, stop_, progress_, planned.name) == TrainingOutcome::kStopped) {
    return false;
  }
  if (!measure(run, select_images(planned.config, data_), planned.name)) return false;
  run.update_results({{"status", "complete"}});
  return true;
}

/// The stages after training; false when it was stopped between two of them.
bool StudyRunner::measure(const RunDirectory& run, const Selection& selection,
                          const std::string& label) {
  const auto stage = [&](const char* field, const char* what, auto&& work) {
    if (stop_.requested()) return false;
    if (run.results().contains(field)) return true;
    const auto start = std::chrono::steady_clock::now();
    progress_.status(fmt::format("{}: measuring {}", label, what));
    run.update_results(work());
    progress_.line(fmt::format("{}: {} measured in {:.1f} s", label, what, seconds_since(start)));
    return true;
  };
  return stage("test", "test set",
               [&] { return test_section(run, data_, selection, thread_count()); }) &&
         stage("perturbation", "curvature and perturbation",
               [&] {
                 const LoadedRun loaded =
                     load_run(run, config_.analysis.dtype, parse_device(config_.training.device));
                 const Subsets subsets = analysis_subsets(data_, selection, config_.analysis);
                 const Curvature curvature =
                     curvature_of_subsets(*loaded.model, subsets, config_.analysis);
                 return json{
                     {"curvature", curvature_section(curvature, config_.analysis)},
                     {"perturbation",
                      perturbation_section(*loaded.model, subsets,
                                           curvature.train.largest_eigenvalue, config_.analysis)}};
               }) &&
         stage("efficiency", "efficiency", [&] {
           return json{{"efficiency", efficiency_section(run, data_, config_.analysis)}};
         });
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
