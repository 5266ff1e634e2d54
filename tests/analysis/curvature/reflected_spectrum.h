#pragma once

#include <Eigen/Core>
#include <vector>

#include "analysis/curvature/operator.h"

namespace switchyard {

/// (I - 2 u uᵀ) diag(values) (I - 2 u uᵀ) with a unit vector u along (1, 1, ..., 1): a matrix of
/// the given eigenvalues in any number of dimensions that is not diagonal and is never formed. On
/// one tensor [dimension] in float64.
class ReflectedSpectrum : public SymmetricOperator {
 public:
  explicit ReflectedSpectrum(Eigen::VectorXd values);

  std::span<const Tensor> like() const override { return like_; }
  Products apply_block(std::span<const ParameterVector> v) override;
  /// Entry (i, i).
  double diagonal(Eigen::Index i) const;
  const Eigen::VectorXd& values() const { return values_; }

 private:
  Eigen::VectorXd values_;
  std::vector<Tensor> like_;
};

}  // namespace switchyard
