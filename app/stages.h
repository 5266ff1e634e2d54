#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "analysis/curvature/subset_curvature.h"
#include "app/analysis_config.h"
#include "app/progress.h"
#include "data/dataset.h"
#include "training/run_directory.h"
#include "training/selection.h"

namespace switchyard {

// The stages of a study, each of which measures the best model of a run and returns fields of its
// results.json. Commands and the study share them.

/// Images of the training part and of the test set, in batches.
struct Subsets {
  std::vector<Batch> train, test;
};
Subsets analysis_subsets(const DatasetPair& data, const Selection& selection,
                         const AnalysisConfig& config);

/// Measures the test set and returns the fields best_epoch, best_validation_accuracy,
/// training_seconds, data_set, machine and test.
nlohmann::json test_section(const RunDirectory& run, const DatasetPair& data,
                            const Selection& selection, int threads);

/// The curvature of both subsets.
struct Curvature {
  SubsetCurvature train, test;
};
Curvature curvature_of_subsets(Classifier& model, const Subsets& subsets,
                               const AnalysisConfig& config);
/// Makes the `curvature` object.
nlohmann::json curvature_section(const Curvature& curvature, const AnalysisConfig& config);

/// Finds the training subset's top eigenvectors alone, as curvature_of_subsets() finds them: with
/// as many below the first as the perturbation takes.
LanczosResult top_eigenvector(Classifier& model, const Subsets& subsets,
                              const AnalysisConfig& config);

/// Measures the `efficiency` object.
nlohmann::json efficiency_section(const RunDirectory& run, const DatasetPair& data,
                                  const AnalysisConfig& config);

/// Measures the `routing_gain` object of a study on the best models of these runs.
nlohmann::json routing_gain_section(const std::vector<RunDirectory>& runs, const DatasetPair& data,
                                    const AnalysisConfig& config);

}  // namespace switchyard
