#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "analysis/perturbation/explorer.h"

namespace switchyard {

/// What one set of images says at several points, an entry for each.
struct SubsetCurve {
  std::vector<double> loss, accuracy;
  std::vector<double> changed;  ///< PointValues::changed; empty where the model has no gate
};

/// Both sets along a line, at start + α·direction for each α.
struct Curve {
  std::vector<double> alphas;
  SubsetCurve train, test;
};
/// `name` begins the names of the points. With `offset` the line goes through start + offset.
Curve curve_along(Explorer& explorer, const std::string& name, std::span<const Tensor> direction,
                  std::vector<double> alphas, const Step& offset = {});

/// {"alphas", "train", "test": losses, "accuracy": {"train", "test"}, "changed": likewise}.
nlohmann::json to_json(const Curve& curve);

/// Both sets on a grid, at start + x·(first direction) + y·(second direction).
struct Surface {
  std::string x, y;  ///< which directions these are, as in results files
  std::vector<double> y_steps;
  std::vector<Curve> rows;  ///< along x, one for each y
};

/// A direction with the steps along it.
struct Axis {
  std::string name;
  std::span<const Tensor> direction;
  std::vector<double> steps;
};
Surface surface_over(Explorer& explorer, const Axis& x, const Axis& y);

/// {"x", "y", "x_steps", "y_steps", "train": {"loss", "accuracy", "changed"}, "test"}: arrays of
/// rows, one for each y.
nlohmann::json to_json(const Surface& surface);

}  // namespace switchyard
