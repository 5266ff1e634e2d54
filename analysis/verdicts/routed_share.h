#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "analysis/verdicts/rank_correlation.h"
#include "analysis/verdicts/verdict.h"

namespace switchyard {

/// How one quantity goes with ρ, the share of a model's multiply-adds that is routed.
struct ShareTrend {
  std::string quantity;
  std::vector<double> shares;      ///< ρ of each model that routes, ascending
  std::vector<Comparison> models;  ///< of each, seed by seed beside its dense model
  /// Of ρ with the values of all seeds, permuted within seeds; absent where `reason` says why.
  std::optional<RankTest> rank;
  double level = 0.0;  ///< a p-value of at most 1 - level decides
  Finding finding = Finding::kCannotTell;
  std::string reason;  ///< why there is no better answer, "" where there is one
};

/// A statement about more routing, with all that bears on it.
struct ShareVerdict {
  std::string claim;      ///< its name in files: "routing_sharpens"
  std::string statement;  ///< "More routing ends in a sharper minimum."
  std::string rule;       ///< when the runs support it and when they contradict it
  std::vector<ShareTrend> trends;
  Finding finding = Finding::kCannotTell;
};

/// Judges what more routing does to accuracy, generalisation gap and curvature by the runs of
/// `study`, as read_study() returns it. Each model that routes is paired by seed with its dense
/// one. Nothing where fewer than two shares ρ > 0 are there to be told apart.
std::vector<ShareVerdict> judge_routed_share(const nlohmann::json& study);

/// {"figures": [...], "verdicts": [...]}, the object `routed_share` of a report's data: quantities
/// of the models that route and of their dense ones, for charts, and judge_routed_share(). Both are
/// empty where that is. docs/design/verdicts.md has the fields.
nlohmann::json routed_share_json(const nlohmann::json& study);

}  // namespace switchyard
