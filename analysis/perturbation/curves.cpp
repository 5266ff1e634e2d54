#include "analysis/perturbation/curves.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace switchyard {
namespace {

using nlohmann::json;

void append(SubsetCurve& curve, const PointValues& point) {
  curve.loss.push_back(point.loss);
  curve.accuracy.push_back(point.accuracy);
  if (point.changed) curve.changed.push_back(*point.changed);
}

SubsetCurve& part(Curve& curve, Subset subset) {
  return subset == Subset::kTrain ? curve.train : curve.test;
}

/// The rows of one quantity of one set.
json rows_json(const Surface& surface, SubsetCurve Curve::*subset,
               std::vector<double> SubsetCurve::*quantity) {
  json rows = json::array();
  for (const Curve& row : surface.rows) rows.push_back(row.*subset.*quantity);
  return rows;
}

json subset_json(const Surface& surface, SubsetCurve Curve::*subset) {
  json values = {{"loss", rows_json(surface, subset, &SubsetCurve::loss)},
                 {"accuracy", rows_json(surface, subset, &SubsetCurve::accuracy)}};
  if (!(surface.rows.front().*subset).changed.empty()) {
    values["changed"] = rows_json(surface, subset, &SubsetCurve::changed);
  }
  return values;
}

}  // namespace

Curve curve_along(Explorer& explorer, const std::string& name, std::span<const Tensor> direction,
                  std::vector<double> alphas, const Step& offset) {
  Curve curve;
  for (const double alpha : alphas) {
    const Step steps[] = {{alpha, direction}, offset};
    const std::span<const Step> used(steps, offset.direction.empty() ? 1 : 2);
    for (const Subset subset : kSubsets) {
      append(part(curve, subset), explorer.values(subset, fmt::format("{}/{}", name, alpha), used));
    }
  }
  curve.alphas = std::move(alphas);
  return curve;
}

json to_json(const Curve& curve) {
  json values = {{"alphas", curve.alphas},
                 {"train", curve.train.loss},
                 {"test", curve.test.loss},
                 {"accuracy", {{"train", curve.train.accuracy}, {"test", curve.test.accuracy}}}};
  if (!curve.train.changed.empty()) {
    values["changed"] = {{"train", curve.train.changed}, {"test", curve.test.changed}};
  }
  return values;
}

Surface surface_over(Explorer& explorer, const Axis& x, const Axis& y) {
  Surface surface{.x = x.name, .y = y.name, .y_steps = y.steps, .rows = {}};
  for (const double step : y.steps) {
    surface.rows.push_back(curve_along(explorer,
                                       fmt::format("surface/{}/{}/{}", x.name, y.name, step),
                                       x.direction, x.steps, {step, y.direction}));
  }
  return surface;
}

json to_json(const Surface& surface) {
  return {{"x", surface.x},
          {"y", surface.y},
          {"x_steps", surface.rows.front().alphas},
          {"y_steps", surface.y_steps},
          {"train", subset_json(surface, &Curve::train)},
          {"test", subset_json(surface, &Curve::test)}};
}

}  // namespace switchyard
