#include "analysis/verdicts/run_figures.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

namespace switchyard {
namespace {

using nlohmann::json;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// Mean rise of the test loss at both ends of the curves, over the loss at α = 0.
double mean_rise(const std::vector<const json*>& curves) {
  double rise = 0.0;
  for (const json* curve : curves) {
    const json& alphas = curve->at("alphas");
    const json& losses = curve->at("test");
    const auto centre = std::find(alphas.begin(), alphas.end(), json(0));
    if (centre == alphas.end()) return kNan;
    const double base = number(losses.at(static_cast<std::size_t>(centre - alphas.begin())));
    rise += (number(losses.front()) + number(losses.back())) / 2 - base;
  }
  return rise / static_cast<double>(curves.size());
}

}  // namespace

double number(const json& value) { return value.is_number() ? value.get<double>() : kNan; }

Figure result(std::string path) {
  return [pointer = json::json_pointer(path)](const json& run) -> std::optional<double> {
    const json& results = run.at("results");
    if (!results.contains(pointer)) return std::nullopt;
    return number(results.at(pointer));
  };
}

std::optional<double> generalisation_gap(const json& run) {
  const auto train = result("/train/accuracy")(run);
  const auto test = result("/test/accuracy")(run);
  if (!train || !test) return std::nullopt;
  return *train - *test;
}

std::optional<double> rise_along_random(const json& run) {
  const json::json_pointer random("/perturbation/random");
  if (!run.at("results").contains(random)) return std::nullopt;
  std::vector<const json*> curves;
  for (const json& curve : run.at("results").at(random)) {
    if (curve.at("normalisation") == "filter") curves.push_back(&curve);
  }
  if (curves.empty()) return std::nullopt;
  return mean_rise(curves);
}

std::optional<double> rise_along_eigenvector(const json& run) {
  const json::json_pointer curve("/perturbation/eigenvector");
  if (!run.at("results").contains(curve)) return std::nullopt;
  return mean_rise({&run.at("results").at(curve)});
}

std::optional<double> lowest_share(const json& run) {
  const json::json_pointer load("/test/gate/load");
  if (!run.at("results").contains(load)) return std::nullopt;
  const json& shares = run.at("results").at(load);
  double lowest = std::numeric_limits<double>::infinity();
  for (const json& share : shares) {
    const double value = number(share);
    if (!(value >= lowest)) lowest = value;  // NaN stays
  }
  return lowest * static_cast<double>(shares.size());
}

}  // namespace switchyard
