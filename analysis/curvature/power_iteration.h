#pragma once

#include <vector>

#include "analysis/curvature/operator.h"
#include "analysis/curvature/ritz_value.h"
#include "analysis/curvature/watch.h"
#include "engine/core/random.h"

namespace switchyard {

struct PowerIterationOptions {
  int max_iterations = 100;
  double tolerance = 1e-3;  ///< of the residual, relative to |value|
  Watch watch = {};
};

struct PowerIterationResult {
  RitzValue largest_magnitude;
  ParameterVector vector;
  int iterations = 0;
  bool converged =
      false;  ///< the residual is small: there is an eigenvalue, not that it is the greatest
  std::vector<double> history;  ///< Rayleigh quotient after each product
};

/// The eigenvalue of greatest magnitude by repeated multiplication, for teaching and comparison:
/// Lanczos makes more of the same products (lanczos.h), and knows whether it has missed one.
/// Errors: max_iterations < 1, a product that is not finite.
PowerIterationResult power_iteration(SymmetricOperator& a, Generator random,
                                     PowerIterationOptions options = {});

}  // namespace switchyard
