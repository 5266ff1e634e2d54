#pragma once

#include <span>
#include <vector>

#include "engine/core/tensor.h"

namespace switchyard {

/// J v from a recorded u ↦ Jᵀu, whose vector-Jacobian product with v it is: `transposed` has a
/// tensor for each input, and `variables` are the u, whose values do not matter. Keeps the graph.
/// The caller has checked the tangents.
std::vector<Tensor> product_from_transpose(std::span<const Tensor> transposed,
                                           std::span<const Tensor> variables,
                                           std::span<const Tensor> tangents);

/// The Jacobian J = ∂output/∂parameters of one tensor, at the parameters' present values, as a
/// linear map whose products share one kept graph. Jᵀu is a vector-Jacobian product. It is linear
/// in u, so that J v comes from u ↦ Jᵀu as above (the "double backward trick", Townsend, 2017):
/// forward mode without a rule of its own for any operation. jvp() is the same for a single
/// product; this keeps the graph for many.
class JacobianOperator {
 public:
  /// `output` depends on `parameters` (leaves). Takes the gradient for a variable cotangent with
  /// create_graph. Products after a parameter was changed in place are an error.
  JacobianOperator(const Tensor& output, std::vector<Tensor> parameters);

  const std::vector<Tensor>& parameters() const { return parameters_; }
  /// The output's values, without history.
  Tensor output() const { return output_.detach(); }
  /// J v, a new tensor shaped as the output. `v` has the parameters' shapes and dtype. Errors:
  /// wrong number or shape, an operation on the path without a second derivative (named).
  Tensor apply(std::span<const Tensor> v) const;
  /// Jᵀ u, one new tensor per parameter. `u` has the output's shape and dtype.
  std::vector<Tensor> apply_transpose(const Tensor& u) const;

 private:
  std::vector<Tensor> parameters_;
  Tensor output_;                 // with history
  Tensor cotangent_;              // the variable u
  std::vector<Tensor> gradient_;  // Jᵀu as a function of u
};

}  // namespace switchyard
