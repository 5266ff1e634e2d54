#include "analysis/verdicts/speed_claim.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "analysis/verdicts/run_figures.h"

namespace switchyard {
namespace {

using nlohmann::json;

/// A speed-up of less than a twentieth is none: one batch's latency varies by as much.
constexpr double kNoSpeedUp = 1.0 / 1.05;

/// The share of the calls between the 20th and the 80th percentile, which results files hold.
constexpr double kMiddleCalls = 0.6;

bool has_run(const ModelGroup& group, const json& name) {
  return std::ranges::any_of(group.runs,
                             [&](const auto& run) { return run.second->at("name") == name; });
}

/// The group that holds the run called `name`, null where the study does not show it.
const ModelGroup* group_of(const std::vector<ModelGroup>& groups, const json& name) {
  for (const ModelGroup& group : groups) {
    if (has_run(group, name)) return &group;
  }
  return nullptr;
}

/// The entry of a dense group's run, null where there is none.
const json* entry_of(const json& entries, const ModelGroup& group) {
  for (const json& entry : entries) {
    if (has_run(group, entry.at("name"))) return &entry;
  }
  return nullptr;
}

/// The latencies of one batch size, naive routing over dense. The two were timed in turns, once:
/// the interval is that of the middle 60 % of the calls.
Comparison latency_ratio(const ModelGroup& moe, const ModelGroup& dense, const std::string& scope,
                         const json& batch, const json& dense_batch) {
  Comparison comparison;
  comparison.quantity = fmt::format("{} with the mask loop, latency of a batch of {}", scope,
                                    batch.at("batch_size").get<std::int64_t>());
  comparison.model = moe.name;
  comparison.baseline = dense.name;
  comparison.setting = "timed in turns";
  comparison.scale = Scale::kRatio;
  comparison.level = kMiddleCalls;
  const auto of = [](const json& timed, const char* field) {
    return number(timed.at("latency_ms").at(field));
  };
  comparison.mean = of(batch, "median") / of(dense_batch, "median");
  comparison.low = of(batch, "p20") / of(dense_batch, "p80");
  comparison.high = of(batch, "p80") / of(dense_batch, "p20");
  comparison.values = {*comparison.mean};
  comparison.finding = larger(kNoSpeedUp, 1.0)(*comparison.low, *comparison.high);
  if (comparison.finding == Finding::kCannotTell) comparison.reason = "the calls overlap";
  return comparison;
}

/// All comparisons of one scope of `routing_gain`.
std::vector<Comparison> latency_ratios(const std::vector<ModelGroup>& groups, const json& scope) {
  std::vector<Comparison> comparisons;
  for (const json& entry : scope.at("entries")) {
    const ModelGroup* moe = group_of(groups, entry.at("name"));
    const ModelGroup* dense = moe ? dense_twin(groups, *moe) : nullptr;
    const json* base = dense ? entry_of(scope.at("entries"), *dense) : nullptr;
    if (!base || entry.at("variant") != "mask_loop") continue;
    for (const json& batch : entry.at("inference")) {
      for (const json& dense_batch : base->at("inference")) {
        if (dense_batch.at("batch_size") != batch.at("batch_size")) continue;
        comparisons.push_back(latency_ratio(*moe, *dense, scope.at("scope"), batch, dense_batch));
      }
    }
  }
  return comparisons;
}

}  // namespace

Verdict no_speed_up(const std::vector<ModelGroup>& groups, const json& study) {
  Verdict verdict{
      .claim = "no_speed_up",
      .statement = "Naive conditional routing makes inference no faster.",
      .rule =
          "Ratio of a batch's median latency, sparse with the published loop over "
          "experts over dense, whole models and heads alone, timed in turns with the "
          "first seed. Supported where the middle 60 % of the calls leave no room for a "
          "speed-up of a twentieth, contradicted where they are all faster.",
      .comparisons = {}};
  const json gain = study.at("study").value("routing_gain", json::object());
  for (const json& scope : gain.value("scopes", json::array())) {
    if (scope.at("scope") == "layer") continue;  // which no published model has
    std::ranges::move(latency_ratios(groups, scope), std::back_inserter(verdict.comparisons));
  }
  verdict.finding = joint_finding(verdict.comparisons);
  return verdict;
}

}  // namespace switchyard
