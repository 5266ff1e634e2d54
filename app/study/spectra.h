#pragma once

#include <vector>

#include "app/progress.h"
#include "app/signals.h"
#include "app/stages.h"

namespace switchyard {

/// Measures what `analysis.hessian` lists: of a run's weights that the analysis chooses each
/// element in turn, of which applicable() says what the model has. The first measurement shares its
/// products with the curvature's summary where both are of the Hessian with respect to all
/// parameters, in one dtype.
class SpectraStage {
 public:
  /// All references must outlive it.
  SpectraStage(const AnalysisConfig& config, Progress& progress, const StopSignal& stop)
      : config_(config), progress_(progress), stop_(stop) {}

  /// UsageError where an element is of nothing that any of these models has, or asks one of them
  /// for what it cannot give: before anything is trained. Elements that a preset lists, `usual`,
  /// may be of nothing: a study may have dense heads alone.
  void check_models(const std::vector<ModelConfig>& models,
                    const std::vector<HessianRequest>& usual = {}) const;

  /// Where the summary of `model`, the run's in the analysis's dtype, leaves its products for the
  /// first measurement; empty paths where they share none.
  CurvatureProducts shared_products(const RunDirectory& run, Classifier& model,
                                    const Subsets& subsets) const;

  /// Measures and stores the run's `spectra`, one element after the other. What is there already,
  /// of the same analysis, is not measured again. Returns false where it was stopped: the products
  /// until then are kept in the run's directory.
  bool measure(const RunDirectory& run, const DatasetPair& data, const Selection& selection,
               Device device) const;

 private:
  const AnalysisConfig& config_;
  Progress& progress_;
  const StopSignal& stop_;
};

}  // namespace switchyard
