#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "analysis/curvature/operator.h"

namespace switchyard {

/// What a set of images says at one point of parameter space: means over its images.
struct PointValues {
  double loss = 0.0;
  double accuracy = 0.0;
  /// Share of the images whose experts are others than at the start, or of the patches where the
  /// backbone routes; nothing where the model has no gate.
  std::optional<double> changed;
  std::vector<double> group_losses;  ///< the mean loss of each group of images, such as a batch
};

/// A set of images, looked at from the parameters' present values. The loss is the mean of the
/// groups' losses with the weights, which add up to 1.
struct ImageProbe {
  std::vector<double> group_weights;
  std::function<PointValues()> values;
  std::function<ParameterVector()> gradient;  ///< of the loss
};

}  // namespace switchyard
