#include "training/routing_statistics.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>

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

/// The k-th largest entry minus the next one; k < row.size().
double margin_of(std::vector<double> row, std::size_t k) {
  const auto next = row.begin() + static_cast<std::ptrdiff_t>(k);
  std::nth_element(row.begin(), next, row.end(), std::greater<>());
  return *std::min_element(row.begin(), next) - *next;
}

}  // namespace

RoutingStatistics::RoutingStatistics(std::int64_t classes, std::int64_t experts)
    : experts_(positive("experts", experts)),
      class_rows_(positive("classes", classes)),
      class_probability_(class_rows_.size() * experts_) {}

void RoutingStatistics::add(const GateOutput& gate, const Tensor& labels) {
  check(gate.probabilities.defined(), "[routing statistics] the model has no gate");
  const std::int64_t n = labels.numel();
  const std::int64_t rows = gate.probabilities.size(0);
  const Shape expected{rows, static_cast<std::int64_t>(experts_)};
  check(gate.probabilities.shape() == expected && labels.rank() == 1 && n > 0 && rows >= n &&
            rows % n == 0,
        "[routing statistics] probabilities {} and labels {}, expected [N, {}] and [N], or several "
        "rows for each label",
        gate.probabilities.shape(), labels.shape(), experts_);
  const std::vector<double> probabilities = gate.probabilities.to_doubles();
  auto row = probabilities.begin();
  for (const double label : labels.to_doubles()) {
    check(label >= 0.0 && label < static_cast<double>(class_rows_.size()),
          "[routing statistics] label {} of {} classes", label, class_rows_.size());
    const auto c = static_cast<std::size_t>(label);
    for (std::int64_t i = 0; i < rows / n; ++i) {
      ++class_rows_[c];
      for (std::size_t e = 0; e < experts_; ++e) class_probability_[c * experts_ + e] += *row++;
    }
  }
  sums_.add(gate);
  if (gate.indices.defined()) add_margins(gate);
}

void RoutingStatistics::add_margins(const GateOutput& gate) {
  const auto k = static_cast<std::size_t>(gate.indices.size(1));
  if (k >= experts_) return;  // every expert is chosen: nothing can change
  const std::vector<double> logits = gate.logits.to_doubles();
  const auto width = static_cast<std::ptrdiff_t>(experts_);
  for (auto row = logits.begin(); row != logits.end(); row += width) {
    margins_.push_back(margin_of({row, row + width}, k));
  }
}

std::vector<std::vector<double>> RoutingStatistics::class_by_expert() const {
  std::vector<std::vector<double>> matrix(class_rows_.size());
  for (std::size_t c = 0; c < matrix.size(); ++c) {
    for (std::size_t e = 0; e < experts_; ++e) {
      matrix[c].push_back(class_probability_[c * experts_ + e] /
                          static_cast<double>(class_rows_[c]));
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
  nlohmann::json gate = to_json(statistics.sums());
  gate["class_by_expert"] = statistics.class_by_expert();
  return gate;
}

}  // namespace switchyard
