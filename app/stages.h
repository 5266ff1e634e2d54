#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "analysis/curvature/subset_curvature.h"
#include "app/analysis_config.h"
#include "app/progress.h"
#include "data/dataset.h"
#include "training/run_directory.h"
#include "training/selection.h"

namespace switchyard {

// The stages of a study, each of which measures a run with the weights that the analysis asks for
// and returns fields of its results.json. Commands and the study share them.

/// Removes what results.json says of other weights than these, and says so: figures of two weights
/// never stand in one file.
void keep_results_of(const RunDirectory& run, RunWeights weights, const std::string& label,
                     Progress& progress);

/// Images of the training part and of the test set, in batches.
struct Subsets {
  std::vector<Batch> train, test;
};
Subsets analysis_subsets(const DatasetPair& data, const Selection& selection,
                         const AnalysisConfig& config);

/// Measures the test set and all training images, the latter in evaluation mode and as they are,
/// and returns `test` and `train` with what describes the run: weights, weights_epoch, best_epoch,
/// best_validation_accuracy, training_seconds, multiply_adds, routed_share, data_set and machine.
nlohmann::json score_section(const RunDirectory& run, RunWeights weights, const DatasetPair& data,
                             const Selection& selection, int threads);

/// The curvature of both subsets.
struct Curvature {
  SubsetCurvature train, test;
};
/// Directories that keep the products with each subset's Hessian (measure_curvature()); empty:
/// none.
struct CurvatureProducts {
  std::filesystem::path train, test;
};
Curvature curvature_of_subsets(Classifier& model, const Subsets& subsets,
                               const AnalysisConfig& config,
                               const CurvatureProducts& products = {});
/// Makes the `curvature` object.
nlohmann::json curvature_section(const Curvature& curvature, const AnalysisConfig& config);

/// Finds the training subset's top eigenvectors alone, as curvature_of_subsets() finds them: with
/// as many below the first as the perturbation takes.
LanczosResult top_eigenvector(Classifier& model, const Subsets& subsets,
                              const AnalysisConfig& config);

/// Measures the `efficiency` object.
nlohmann::json efficiency_section(const RunDirectory& run, const DatasetPair& data,
                                  const AnalysisConfig& config);

/// Measures the `routing_gain` object of a study on the models of these runs.
nlohmann::json routing_gain_section(const std::vector<RunDirectory>& runs, const DatasetPair& data,
                                    const AnalysisConfig& config);

}  // namespace switchyard
