#pragma once

#include <Eigen/Core>
#include <vector>

#include "analysis/curvature/operator.h"

namespace switchyard {

/// The mean of dense symmetric matrices, one per group of images, on one tensor [dimension].
class GroupedOperator : public SymmetricOperator {
 public:
  /// Weights equal and adding up to 1.
  explicit GroupedOperator(std::vector<Eigen::MatrixXd> groups);

  std::span<const Tensor> like() const override { return like_; }
  std::span<const double> group_weights() const override { return weights_; }
  Products apply_block(std::span<const ParameterVector> v) override;

 private:
  std::vector<Eigen::MatrixXd> groups_;
  Eigen::MatrixXd mean_;
  std::vector<double> weights_;
  std::vector<Tensor> like_;
};

}  // namespace switchyard
