#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "app/analysis_config.h"
#include "app/compute_options.h"
#include "app/progress.h"
#include "app/stages.h"
#include "training/run_directory.h"

namespace switchyard {

/// The options by which a command analyses a trained run.
struct AnalysisOptions {
  std::string run;
  std::string data;
  std::string config_file;
  std::vector<std::string> settings;
  bool reproducible = false;
  ComputeOptions compute;
};

/// Adds them and returns --run.
CLI::Option* add_analysis_options(CLI::App& command, AnalysisOptions& options);

/// Sets the number of threads and returns the device, with its convolutions chosen: --device and
/// --conv or, where they are not given, those of `run`, which may also be what asks for the same
/// bits with any number of threads. UsageError where the machine lacks them.
Device analysis_device(const AnalysisOptions& options, const TrainConfig& run = {});

/// Lays the defaults, --config and --set over one another, in this order.
AnalysisConfig resolve_analysis(const AnalysisOptions& options);
/// Returns the dotted paths that --set takes.
std::vector<std::string> analysis_fields();

/// A run with the weights and the images that are analysed.
struct AnalysedRun {
  RunDirectory directory;
  bool stores;  ///< whether results.json may take what is found
  AnalysisConfig config;
  std::unique_ptr<Classifier> model;
  Subsets subsets;

  /// Stores a section of the results where that may be.
  void store(const nlohmann::json& fields) const;
};
/// Opens the run that the options name. Error where it has no finished epoch; UsageError where its
/// images are gone or are others. Says through `progress` that nothing will be stored where another
/// process has the run, or where its results are of other weights.
AnalysedRun open_analysed_run(const AnalysisOptions& options, Progress& progress);

}  // namespace switchyard
