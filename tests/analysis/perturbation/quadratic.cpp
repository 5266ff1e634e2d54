#include "tests/analysis/perturbation/quadratic.h"

#include <cmath>

namespace switchyard {

std::vector<Tensor> vector_of(const std::vector<double>& elements) {
  return {Tensor::from({static_cast<std::int64_t>(elements.size())}, elements)};
}

Quadratic::Quadratic(std::vector<double> slope, std::vector<double> curvature)
    : parameters(vector_of(std::vector<double>(slope.size()))) {
  add_group(1.0, 0.0, std::move(slope), std::move(curvature));
}

void Quadratic::add_group(double weight, double level, std::vector<double> slope,
                          std::vector<double> curvature) {
  for (double& w : weights) w *= 1.0 - weight;
  weights.push_back(weight);
  levels.push_back(level);
  slopes.push_back(std::move(slope));
  curvatures.push_back(std::move(curvature));
}

ImageProbe Quadratic::probe() const {
  // By value: the copy's parameters share their elements with ours.
  const auto values = [q = *this] {
    const std::span<const double> theta = q.parameters[0].span<double>();
    PointValues point;
    for (std::size_t g = 0; g < q.weights.size(); ++g) {
      double loss = q.levels[g];
      for (std::size_t j = 0; j < theta.size(); ++j) {
        loss += q.slopes[g][j] * theta[j] + 0.5 * q.curvatures[g][j] * theta[j] * theta[j];
      }
      point.group_losses.push_back(loss);
      point.loss += q.weights[g] * loss;
    }
    point.accuracy = 1.0 - std::abs(theta[0]);
    return point;
  };
  return {
      .group_weights = weights, .values = values, .gradient = [q = *this] { return q.gradient(); }};
}

std::vector<Tensor> Quadratic::gradient() const {
  const std::span<const double> theta = parameters[0].span<double>();
  std::vector<double> total(theta.size());
  for (std::size_t g = 0; g < weights.size(); ++g) {
    for (std::size_t j = 0; j < theta.size(); ++j) {
      total[j] += weights[g] * (slopes[g][j] + curvatures[g][j] * theta[j]);
    }
  }
  return vector_of(total);
}

}  // namespace switchyard
