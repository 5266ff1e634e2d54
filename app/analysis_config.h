#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "analysis/curvature/subset_curvature.h"
#include "analysis/efficiency.h"
#include "analysis/perturbation/perturbation.h"
#include "app/hessian_request.h"
#include "engine/core/dtype.h"
#include "training/run_directory.h"

namespace switchyard {

class JsonObject;

/// Says how a trained model is analysed. The defaults are the published study's subsets of 1,000
/// images.
struct AnalysisConfig {
  RunWeights weights = RunWeights::kBest;  ///< of the run; every section measures the same ones
  std::int64_t images = 1000;              ///< of the training and of the test set
  /// Images whose graph is in memory at a time. The scatter of the batches is the data's error bar,
  /// so that more of them tell it better.
  std::int64_t batch_size = 50;
  DType dtype = DType::kFloat32;
  std::uint64_t seed = 1;  ///< of the subsets and the random vectors
  CurvatureOptions curvature;
  /// What a study measures of the curvature beyond its largest eigenvalue and its trace.
  std::vector<HessianRequest> hessian;
  PerturbationOptions perturbation;
  EfficiencyOptions efficiency;
};

/// UsageError naming the field, as parse_train_config().
AnalysisConfig parse_analysis_config(JsonObject object);
nlohmann::json to_json(const AnalysisConfig& config);

}  // namespace switchyard
