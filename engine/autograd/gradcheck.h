#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/core/tensor.h"

namespace switchyard {

/// A function of tensors, written in differentiable operations.
using TensorFunction = std::function<Tensor(std::span<const Tensor> inputs)>;

struct GradcheckOptions {
  int order = 1;           ///< which derivative is checked, >= 1
  std::uint64_t seed = 1;  ///< of cotangents and directions
  /// Distance h between the points of the finite difference. Its error is about h⁴ from truncation
  /// and 1e-16 / h from rounding; f must be smooth within 2 h.
  double step = 1e-3;
};

struct GradcheckResult {
  /// Largest over the inputs of ‖a - b‖ / max(‖b‖, 0.01): a the derivatives along a set of
  /// directions as the engine has them, b as finite differences have them. The floor keeps a
  /// derivative that is zero from being compared with rounding errors.
  double error = 0.0;
  std::string worst;  ///< the input behind it: "input 1 [3, 4]", "cotangent [3]"
};

/// Compares derivatives of `f` at `inputs` (float64) with five-point finite differences, input by
/// input: along random directions, and along every axis of inputs of up to 64 elements.
///
/// Order 1 checks the gradient of <f(x), c> for a random cotangent c. Order 2 checks the gradient,
/// with respect to x and c, of <that gradient, r> for random r; each further order does so again.
/// Errors: an input that is not float64, an order below 1, whatever `f` and its derivatives throw.
GradcheckResult gradcheck(const TensorFunction& f, std::vector<Tensor> inputs,
                          const GradcheckOptions& options = {});

}  // namespace switchyard
