#pragma once

#include <vector>

#include "analysis/perturbation/probe.h"
#include "engine/core/tensor.h"

namespace switchyard {

/// A "set of images" whose losses are known in closed form: group g of weight w_g has
/// L_g(θ) = level_g + Σ_j (slope_gj·θ_j + ½·curvature_gj·θ_j²), and starts at θ = 0. Its accuracy
/// is 1 - |θ_0|, and it has no gate.
struct Quadratic {
  std::vector<Tensor> parameters;  // one, [n] float64
  std::vector<double> weights, levels;
  std::vector<std::vector<double>> slopes, curvatures;  // [group][n]

  /// One group of level 0.
  Quadratic(std::vector<double> slope, std::vector<double> curvature);
  void add_group(double weight, double level, std::vector<double> slope,
                 std::vector<double> curvature);

  ImageProbe probe() const;
  /// Of the mean over groups, at θ = 0.
  std::vector<Tensor> gradient() const;
};

/// A vector in the shape of its parameters.
std::vector<Tensor> vector_of(const std::vector<double>& elements);

}  // namespace switchyard
