#include "training/routing_statistics.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "engine/core/check.h"

namespace switchyard {
namespace {

std::size_t positive(std::string_view what, std::int64_t count) {
  check(count >= 1, "[routing statistics] {} {}", count, what);
  return static_cast<std::size_t>(count);
}

double median_of(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return 0.5 * (*middle + *std::max_element(values.begin(), middle));
}

std::size_t largest_of(std::span<const double> row) {
  return static_cast<std::size_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

/// The k-th largest entry minus the next one; k < row.size().
double margin_of(std::vector<double> row, std::size_t k) {
  const auto next = row.begin() + static_cast<std::ptrdiff_t>(k);
  std::nth_element(row.begin(), next, row.end(), std::greater<>());
  return *std::min_element(row.begin(), next) - *next;
}

}  // namespace

RoutingStatistics::RoutingStatistics(std::int64_t classes, std::int64_t experts)
    : class_images_(positive("classes", classes)),
      assignments_(positive("experts", experts)),
      probability_(class_images_.size() * assignments_.size()) {}

void RoutingStatistics::add(const GateOutput& gate, const Tensor& labels) {
  check(gate.probabilities.defined(), "[routing statistics] the head has no gate");
  const std::size_t e = assignments_.size();
  const std::int64_t n = gate.probabilities.size(0);
  const Shape expected{n, static_cast<std::int64_t>(e)};
  check(gate.probabilities.shape() == expected && labels.shape() == Shape{n},
        "[routing statistics] probabilities {} and labels {}, expected [N, {}] and [N]",
        gate.probabilities.shape().to_string(), labels.shape().to_string(), e);
  const std::vector<double> probabilities = gate.probabilities.to_doubles();
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    const std::int64_t label = labels.data<std::int64_t>()[i];
    check(label >= 0 && label < static_cast<std::int64_t>(class_images_.size()),
          "[routing statistics] label {} of {} classes", label, class_images_.size());
    const std::span row = std::span(probabilities).subspan(i * e, e);
    add_image(row, static_cast<std::size_t>(label));
    if (!gate.indices.defined()) ++assignments_[largest_of(row)];
  }
  if (gate.indices.defined()) add_choices(gate);
}

void RoutingStatistics::add_image(std::span<const double> probabilities, std::size_t label) {
  ++class_images_[label];
  for (std::size_t e = 0; e < probabilities.size(); ++e) {
    const double p = probabilities[e];
    probability_[label * probabilities.size() + e] += p;
    if (p > 0.0) entropy_ -= p * std::log(p);
  }
}

void RoutingStatistics::add_choices(const GateOutput& gate) {
  for (std::int64_t expert : gate.indices.span<std::int64_t>()) {
    ++assignments_.at(static_cast<std::size_t>(expert));
  }
  const std::size_t e = assignments_.size();
  const auto k = static_cast<std::size_t>(gate.indices.size(1));
  if (k >= e) return;  // every expert is chosen: nothing can change
  const std::vector<double> logits = gate.logits.to_doubles();
  for (auto row = logits.begin(); row != logits.end(); row += static_cast<std::ptrdiff_t>(e)) {
    margins_.push_back(margin_of({row, row + static_cast<std::ptrdiff_t>(e)}, k));
  }
}

std::int64_t RoutingStatistics::images() const {
  return std::accumulate(class_images_.begin(), class_images_.end(), std::int64_t{0});
}

std::vector<double> RoutingStatistics::mean_probability() const {
  std::vector<double> mean(assignments_.size());
  for (std::size_t i = 0; i < probability_.size(); ++i) mean[i % mean.size()] += probability_[i];
  for (double& p : mean) p /= static_cast<double>(images());
  return mean;
}

std::vector<double> RoutingStatistics::load() const {
  const auto total = static_cast<double>(
      std::accumulate(assignments_.begin(), assignments_.end(), std::int64_t{0}));
  std::vector<double> load;
  for (std::int64_t count : assignments_) load.push_back(static_cast<double>(count) / total);
  return load;
}

double RoutingStatistics::entropy() const { return entropy_ / static_cast<double>(images()); }

std::vector<std::vector<double>> RoutingStatistics::class_by_expert() const {
  std::vector<std::vector<double>> matrix(class_images_.size());
  for (std::size_t c = 0; c < matrix.size(); ++c) {
    for (std::size_t e = 0; e < assignments_.size(); ++e) {
      matrix[c].push_back(probability_[c * assignments_.size() + e] /
                          static_cast<double>(class_images_[c]));
    }
  }
  return matrix;
}

std::optional<RoutingMargin> RoutingStatistics::margin() const {
  if (margins_.empty()) return std::nullopt;
  return RoutingMargin{*std::min_element(margins_.begin(), margins_.end()), median_of(margins_)};
}

nlohmann::json to_json(const RoutingMargin& margin) {
  return {{"minimum", margin.minimum}, {"median", margin.median}};
}

nlohmann::json to_json(const RoutingStatistics& statistics) {
  return {{"mean_probability", statistics.mean_probability()},
          {"load", statistics.load()},
          {"entropy", statistics.entropy()},
          {"class_by_expert", statistics.class_by_expert()}};
}

}  // namespace switchyard
