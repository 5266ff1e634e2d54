#pragma once

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "app/data_options.h"
#include "app/progress.h"
#include "app/signals.h"
#include "app/stages.h"
#include "app/study/study_config.h"
#include "training/directory_owner.h"

namespace switchyard {

/// Runs a study in its directory: for each run training, test, curvature with perturbation,
/// spectra, efficiency, then what routing gains with the models of the first seed, then the report.
/// Every stage stores its results when it is done and is skipped where they are there already, so
/// that a study that was killed goes on where it was.
class StudyRunner {
 public:
  /// Makes study.json and data.json, or takes up those that are there. `command` is how the study
  /// was started, for the record. All references must outlive the runner.
  StudyRunner(const DirectoryOwner& directory, const StudyConfig& config,
              const IdentifiedData& data, const StopSignal& stop, Progress& progress,
              const std::string& command);

  /// Returns false when it was stopped; what is finished by then is in the report. Where it fails
  /// before anything was saved, the directory is free again.
  bool run();

  /// Names of the finished runs, in order.
  const std::vector<std::string>& finished() const { return finished_; }

 private:
  bool run_all();
  bool run_one(const StudyRun& planned);
  bool train_and_measure(const RunDirectory& run, const StudyRun& planned);
  bool measure_gain();
  nlohmann::json perturbation_of(const RunDirectory& run, const Selection& selection,
                                 const std::string& label);
  bool measure(const RunDirectory& run, const Selection& selection, const std::string& label);
  bool measure_spectra(const RunDirectory& run, const Selection& selection,
                       const std::string& label);
  void write_study(bool complete);

  std::filesystem::path directory_;
  const StudyConfig& config_;
  const DatasetPair& data_;
  const DataIdentity& identity_;
  const StopSignal& stop_;
  Progress& progress_;
  nlohmann::json study_;  // study.json
  double earlier_seconds_;
  std::chrono::steady_clock::time_point start_;
  std::vector<std::string> finished_;
};

/// study.json in a study's directory. Beside the fields that the report reads it has
/// `configuration`, the study's own, which --resume goes on with.
inline std::filesystem::path study_file(const std::filesystem::path& directory) {
  return directory / "study.json";
}

}  // namespace switchyard
