#include "analysis/verdicts/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "analysis/verdicts/statistics.h"

namespace switchyard {

using nlohmann::json;

namespace {

/// Why the values cannot be averaged, "" if they can.
std::string problem_of(const Comparison& comparison) {
  if (std::string problem = value_problem(comparison); !problem.empty()) return problem;
  if (comparison.values.size() >= 2) return "";
  return comparison.values.empty() ? "no seed that both models have"
                                   : "one seed does not show the spread over seeds";
}

json optional_json(const std::optional<double>& value) {
  return value ? json(*value) : json(nullptr);
}

}  // namespace

std::string finding_text(Finding finding) {
  switch (finding) {
    case Finding::kSupports:
      return "supports";
    case Finding::kContradicts:
      return "contradicts";
    case Finding::kCannotTell:
      break;
  }
  return "cannot tell";
}

Rule larger(double none, double least) {
  return [=](double low, double high) {
    if (low > none) return Finding::kSupports;
    return high < least ? Finding::kContradicts : Finding::kCannotTell;
  };
}

Rule alike(double margin_low, double margin_high) {
  return [=](double low, double high) {
    if (low > margin_low && high < margin_high) return Finding::kSupports;
    const bool outside = low > margin_high || high < margin_low;
    return outside ? Finding::kContradicts : Finding::kCannotTell;
  };
}

Rule different(double none, double margin_low, double margin_high) {
  return [=](double low, double high) {
    if (low > margin_low && high < margin_high) return Finding::kContradicts;
    return low > none || high < none ? Finding::kSupports : Finding::kCannotTell;
  };
}

void decide(Comparison& comparison, const Rule& rule, double level) {
  comparison.level = level;
  comparison.finding = Finding::kCannotTell;
  comparison.reason = problem_of(comparison);
  if (!comparison.reason.empty()) return;

  const bool ratio = comparison.scale == Scale::kRatio;
  std::vector<double> values = comparison.values;
  if (ratio) {
    for (double& value : values) value = std::log(value);
  }
  const SeedMean over_seeds = seed_mean(values, level);
  const auto scaled = [&](double value) { return ratio ? std::exp(value) : value; };
  const double low = scaled(over_seeds.low);
  const double high = scaled(over_seeds.high);
  comparison.mean = scaled(over_seeds.mean);
  comparison.low = low;
  comparison.high = high;
  comparison.p_value = over_seeds.p_value;

  comparison.finding = rule(low, high);
  if (comparison.finding == Finding::kCannotTell) {
    comparison.reason = "the interval holds both answers";
  }
}

std::string value_problem(const Comparison& comparison) {
  for (std::size_t i = 0; i < comparison.values.size(); ++i) {
    const double value = comparison.values[i];
    const bool usable =
        std::isfinite(value) && (comparison.scale == Scale::kDifference || value > 0.0);
    if (!usable) {
      return fmt::format("seed {}: the {} is {}", comparison.seeds[i],
                         comparison.scale == Scale::kRatio ? "ratio" : "value", value);
    }
  }
  return "";
}

Finding joint_finding(std::span<const Finding> findings) {
  const auto is = [](Finding finding) { return [=](Finding other) { return other == finding; }; };
  if (std::ranges::any_of(findings, is(Finding::kContradicts))) return Finding::kContradicts;
  if (findings.empty()) return Finding::kCannotTell;
  return std::ranges::all_of(findings, is(Finding::kSupports)) ? Finding::kSupports
                                                               : Finding::kCannotTell;
}

Finding joint_finding(std::span<const Comparison> comparisons) {
  std::vector<Finding> findings;
  for (const Comparison& comparison : comparisons) findings.push_back(comparison.finding);
  return joint_finding(findings);
}

json to_json(const Comparison& comparison) {
  return {{"quantity", comparison.quantity},
          {"model", comparison.model},
          {"baseline", comparison.baseline},
          {"setting", comparison.setting},
          {"scale", comparison.scale == Scale::kRatio ? "ratio" : "difference"},
          {"published", optional_json(comparison.published)},
          {"seeds", comparison.seeds},
          {"values", comparison.values},
          {"mean", optional_json(comparison.mean)},
          {"low", optional_json(comparison.low)},
          {"high", optional_json(comparison.high)},
          {"level", comparison.level},
          {"p_value", optional_json(comparison.p_value)},
          {"finding", finding_text(comparison.finding)},
          {"reason", comparison.reason}};
}

namespace {

json to_json(const Verdict& verdict) {
  json comparisons = json::array();
  for (const Comparison& comparison : verdict.comparisons) {
    comparisons.push_back(to_json(comparison));
  }
  return {{"claim", verdict.claim},
          {"statement", verdict.statement},
          {"rule", verdict.rule},
          {"finding", finding_text(verdict.finding)},
          {"comparisons", comparisons}};
}

}  // namespace

json verdicts_json(std::span<const Verdict> verdicts) {
  json all = json::array();
  for (const Verdict& verdict : verdicts) all.push_back(to_json(verdict));
  return all;
}

}  // namespace switchyard
