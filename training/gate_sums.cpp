#include "training/gate_sums.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <span>

#include "engine/core/check.h"

namespace switchyard {
namespace {

std::size_t largest_of(std::span<const double> row) {
  return static_cast<std::size_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

}  // namespace

void GateSums::add(const GateOutput& gate) {
  check(gate.probabilities.defined(), "[gate sums] the model has no gate");
  const auto experts = static_cast<std::size_t>(gate.probabilities.size(1));
  if (rows == 0) {
    probability.assign(experts, 0.0);
    assignments.assign(experts, 0);
  }
  check(experts == probability.size(), "[gate sums] a batch of {} experts behind one of {}",
        experts, probability.size());
  const std::vector<double> probabilities = gate.probabilities.to_doubles();
  const bool chosen = gate.indices.defined();
  for (std::size_t begin = 0; begin < probabilities.size(); begin += experts) {
    const std::span row = std::span(probabilities).subspan(begin, experts);
    for (std::size_t e = 0; e < experts; ++e) {
      probability[e] += row[e];
      if (row[e] > 0.0) entropy -= row[e] * std::log(row[e]);
    }
    if (!chosen) ++assignments[largest_of(row)];
  }
  if (chosen) {
    for (double expert : gate.indices.to_doubles()) {
      ++assignments.at(static_cast<std::size_t>(expert));
    }
  }
  rows += gate.probabilities.size(0);
}

std::vector<double> GateSums::mean_probability() const {
  std::vector<double> mean = probability;
  for (double& p : mean) p /= static_cast<double>(rows);
  return mean;
}

std::vector<double> GateSums::load() const {
  const auto total =
      static_cast<double>(std::accumulate(assignments.begin(), assignments.end(), std::int64_t{0}));
  std::vector<double> load;
  for (std::int64_t count : assignments) load.push_back(static_cast<double>(count) / total);
  return load;
}

double GateSums::mean_entropy() const { return entropy / static_cast<double>(rows); }

nlohmann::json to_json(const GateSums& sums) {
  return {{"mean_probability", sums.mean_probability()},
          {"load", sums.load()},
          {"entropy", sums.mean_entropy()}};
}

}  // namespace switchyard
