#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "app/analysis_config.h"
#include "training/train_config.h"

namespace switchyard {

inline constexpr std::int64_t kMostSeeds = 10'000;

/// A study trains and measures every model with every seed.
struct StudyConfig {
  std::string preset = "quick";  ///< what the configuration started from
  BackboneConfig backbone;       ///< of every head that names none of its own
  /// In JSON the list `heads`, whose elements have a `backbone` where theirs is another one than
  /// the study's.
  std::vector<ModelConfig> models;
  std::int64_t seeds = 1;  ///< runs per model: training.seed, training.seed + 1, ...
  TrainConfig training;    ///< its model is not used
  AnalysisConfig analysis;
};

/// Makes the study of a preset: dense, soft and sparse heads. UsageError for an
/// unknown name.
StudyConfig study_preset(const std::string& name);

/// Strict, as parse_train_config(). An element of `heads` may be the head's name alone, and may
/// have a field `backbone` beside the head's own.
StudyConfig parse_study_config(const nlohmann::json& json, const std::string& where);
nlohmann::json to_json(const StudyConfig& config);

/// One run of a study.
struct StudyRun {
  /// Of its directory: "dense-seed1", "dense-2-seed1" for a second dense head on the study's
  /// backbone, "dense-small_moe-seed1" for one on a backbone of its own.
  std::string name;
  TrainConfig config;
};

/// Lists the runs in the order in which they are trained: all models with the first seed, then with
/// the next.
std::vector<StudyRun> study_runs(const StudyConfig& config);

}  // namespace switchyard
