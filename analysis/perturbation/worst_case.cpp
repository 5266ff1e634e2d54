#include "analysis/perturbation/worst_case.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "analysis/curvature/vectors.h"

namespace switchyard {
namespace {

using nlohmann::json;

Rise rise_of(const Explorer& explorer, Subset subset, const PointValues& there) {
  const PointValues& start = explorer.start(subset);
  std::vector<double> differences;
  for (std::size_t i = 0; i < there.group_losses.size(); ++i) {
    differences.push_back(there.group_losses[i] - start.group_losses[i]);
  }
  return {.rise = there.loss - start.loss,
          .data = data_error(explorer.group_weights(subset), differences),
          .accuracy = there.accuracy,
          .changed = there.changed};
}

ParameterVector scaled(std::span<const Tensor> x, double factor) {
  ParameterVector result = copy_of(x);
  scale(result, factor);
  return result;
}

/// The search for the greatest loss in one ball: the best point so far.
class Ascent {
 public:
  Ascent(Explorer& explorer, Subset subset, double radius)
      : explorer_(explorer), subset_(subset), radius_(radius), best_(explorer.start(subset)) {}

  /// Takes the point where it is the best so far; returns its values.
  PointValues try_point(ParameterVector d) {
    const Step step[] = {{1.0, d}};
    const PointValues there =
        explorer_.values(subset_, fmt::format("worst_case/{}/{}", radius_, tried_++), step);
    improved_ = std::isfinite(there.loss) && there.loss > best_.loss;
    if (improved_) {
      best_ = there;
      d_ = std::move(d);
    }
    return there;
  }

  /// Takes `steps` projected gradient steps from the best point, the start if nothing is better.
  void climb(int steps, std::span<const Tensor> gradient_at_start) {
    constexpr double kFirstStep = 4.0;  // radii: nearly the power method's step
    constexpr double kShrink = 0.25;
    double t = kFirstStep;
    ParameterVector gradient = gradient_at(gradient_at_start);
    for (int i = 0; i < steps; ++i) {
      const double length = norm(gradient);
      if (!(length > 0.0) || !std::isfinite(length)) return;
      ParameterVector d = d_.empty() ? zeros_like(gradient) : copy_of(d_);
      axpy(t * radius_ / length, gradient, d);
      if (const double reach = norm(d); reach > radius_) scale(d, radius_ / reach);
      try_point(std::move(d));
      if (!improved_) {
        t *= kShrink;
      } else if (i + 1 < steps) {
        gradient = gradient_at(gradient_at_start);
      }
    }
  }

  const PointValues& best() const { return best_; }
  const ParameterVector& displacement() const { return d_; }  ///< empty: the start

 private:
  ParameterVector gradient_at(std::span<const Tensor> gradient_at_start) {
    if (d_.empty()) return copy_of(gradient_at_start);
    const Step step[] = {{1.0, d_}};
    return explorer_.gradient(subset_, step);
  }

  Explorer& explorer_;
  Subset subset_;
  double radius_;
  int tried_ = 0;
  bool improved_ = false;
  PointValues best_;
  ParameterVector d_;
};

json to_json(const Rise& rise) {
  ErrorBars error;
  error.data = rise.data;
  json values = {
      {"rise", rise.rise}, {"data_error", to_json(error).at("data")}, {"accuracy", rise.accuracy}};
  if (rise.changed) values["changed"] = *rise.changed;
  return values;
}

}  // namespace

std::vector<WorstCase> worst_cases(Explorer& explorer, Subset subset,
                                   std::span<const Tensor> gradient,
                                   std::span<const ParameterVector> directions,
                                   const WorstCaseOptions& options) {
  const double slope = norm(gradient);
  std::vector<WorstCase> cases;
  ParameterVector worst;  // of the ball before
  double before = 0.0;
  for (const double radius : options.radii) {
    Ascent ascent(explorer, subset, radius);
    // A gradient of zero points nowhere: the first-order step stays where it is.
    PointValues sam = explorer.start(subset);
    if (slope > 0.0) sam = ascent.try_point(scaled(gradient, radius / slope));
    for (const ParameterVector& q : directions) {
      for (const double sign : {1.0, -1.0}) ascent.try_point(scaled(q, sign * radius));
    }
    if (!worst.empty()) {
      ascent.try_point(copy_of(worst));
      ascent.try_point(scaled(worst, radius / before));
    }
    ascent.climb(options.steps, gradient);
    worst = ascent.displacement();
    before = radius;
    cases.push_back({.radius = radius,
                     .first_order = rise_of(explorer, subset, sam),
                     .ascent = rise_of(explorer, subset, ascent.best())});
  }
  return cases;
}

json to_json(const std::vector<WorstCase>& cases) {
  json list = json::array();
  for (const WorstCase& worst : cases) {
    list.push_back({{"radius", worst.radius},
                    {"first_order", to_json(worst.first_order)},
                    {"ascent", to_json(worst.ascent)}});
  }
  return list;
}

}  // namespace switchyard
