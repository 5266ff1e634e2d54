#pragma once

#include <span>
#include <vector>

#include "engine/core/tensor.h"

namespace switchyard {

/// A point or a direction in parameter space: one tensor per parameter (vectors.h).
using ParameterVector = std::vector<Tensor>;

/// What an operator A makes of a block of vectors v_1, ..., v_m.
struct Products {
  std::vector<ParameterVector> vectors;  ///< A v_j, in fresh tensors without history
  /// forms[j][i] = v_jᵀ A_i v_j where A = Σ_i w_i A_i is a mean over groups of images, with the
  /// group_weights() w_i: what says how far A would move with other images. No entries for an
  /// operator that is no such mean.
  std::vector<std::vector<double>> forms;
};

/// A symmetric linear map on parameter space. Estimators need nothing but its products.
class SymmetricOperator {
 public:
  virtual ~SymmetricOperator() = default;
  /// Tensors with the shapes and dtypes of the operator's vectors; their values mean nothing.
  virtual std::span<const Tensor> like() const = 0;
  /// The products with a block of vectors. One call for many vectors costs no more than many calls,
  /// and less where something has to be built for each call.
  virtual Products apply_block(std::span<const ParameterVector> v) = 0;
  /// The groups' shares of the images, which add up to 1; empty for an operator that is no mean.
  virtual std::span<const double> group_weights() const { return {}; }

  /// The product with one vector.
  ParameterVector apply(std::span<const Tensor> v);
};

}  // namespace switchyard
