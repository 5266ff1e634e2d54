#include "analysis/verdicts/compare.h"

#include <nlohmann/json.hpp>

namespace switchyard {
namespace {

/// The value of one run on the comparison's scale; nothing where it or its twin lacks the figure.
std::optional<double> value_of(const nlohmann::json& run, const nlohmann::json* twin,
                               const Quantity& quantity) {
  const std::optional<double> value = quantity.figure(run);
  if (!twin || !value) return value;
  const std::optional<double> base = quantity.figure(*twin);
  if (!base) return std::nullopt;
  return quantity.scale == Scale::kRatio ? *value / *base : *value - *base;
}

}  // namespace

std::optional<Comparison> compare(const ModelGroup& group, const ModelGroup* baseline,
                                  const Quantity& quantity) {
  Comparison comparison;
  comparison.quantity = quantity.name;
  comparison.model = group.name;
  comparison.baseline = baseline ? baseline->name : "";
  comparison.setting = group.setting;
  comparison.scale = quantity.scale;
  for (const auto& [seed, run] : group.runs) {
    const nlohmann::json* twin = nullptr;
    if (baseline) {
      const auto found = baseline->runs.find(seed);
      if (found == baseline->runs.end()) continue;
      twin = found->second;
    }
    const std::optional<double> value = value_of(*run, twin, quantity);
    if (!value) continue;
    comparison.seeds.push_back(seed);
    comparison.values.push_back(*value);
  }
  if (comparison.seeds.empty()) return std::nullopt;
  return comparison;
}

}  // namespace switchyard
