#pragma once

#include <Eigen/Core>
#include <vector>

#include "analysis/curvature/operator.h"
#include "engine/core/dtype.h"

namespace switchyard {

/// A dense symmetric matrix as an operator on two tensors, [rows, 1] and [dimension - rows].
class MatrixOperator : public SymmetricOperator {
 public:
  explicit MatrixOperator(Eigen::MatrixXd matrix, DType dtype = DType::kFloat64);

  std::span<const Tensor> like() const override { return like_; }
  Products apply_block(std::span<const ParameterVector> v) override;
  int products() const { return products_; }

 private:
  Eigen::MatrixXd matrix_;
  std::vector<Tensor> like_;
  int products_ = 0;
};

/// All entries of the tensors one after the other.
Eigen::VectorXd flatten(std::span<const Tensor> x);
/// Inverse of flatten() for tensors shaped as `like`.
std::vector<Tensor> unflatten(const Eigen::VectorXd& values, std::span<const Tensor> like);

/// Q·diag(spectrum)·Qᵀ with a random orthogonal Q.
Eigen::MatrixXd matrix_with_spectrum(const Eigen::VectorXd& spectrum, unsigned seed);

/// The matrix of an operator, column by column.
Eigen::MatrixXd dense_matrix(SymmetricOperator& a);

}  // namespace switchyard
