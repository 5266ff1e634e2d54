#pragma once

#include <functional>
#include <span>
#include <vector>

#include "engine/core/tensor.h"

namespace switchyard {

/// Hessian of a scalar loss with respect to a list of parameters, at their present values and for
/// one batch, as a linear operator. It keeps the gradient's graph and applies it to any number of
/// vectors: H v = ∂(gᵀv)/∂θ (Pearlmutter, 1994), with g kept instead of rebuilt.
class HessianOperator {
 public:
  /// `loss` is a one-element tensor that depends on `parameters` (leaves). Takes its gradient with
  /// create_graph. Products after a parameter was changed in place are an error.
  HessianOperator(const Tensor& loss, std::vector<Tensor> parameters);

  const std::vector<Tensor>& parameters() const { return parameters_; }
  /// ∂loss/∂parameters: copies, without history.
  std::vector<Tensor> gradient() const;
  /// Returns H v, one new tensor per parameter. `v` has the parameters' shapes and dtype. Errors:
  /// wrong number or shape, an operation on the path without a second derivative (named).
  std::vector<Tensor> apply(std::span<const Tensor> v) const;

 private:
  std::vector<Tensor> parameters_;
  std::vector<Tensor> gradient_;  // with history
};

/// One Hessian-vector product from scratch: HessianOperator(loss, parameters).apply(v).
std::vector<Tensor> hvp(const Tensor& loss, std::span<const Tensor> parameters,
                        std::span<const Tensor> v);

}  // namespace switchyard
