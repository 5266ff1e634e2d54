#include "tests/analysis/curvature/grouped_operator.h"

#include "tests/analysis/curvature/matrix_operator.h"

namespace switchyard {

GroupedOperator::GroupedOperator(std::vector<Eigen::MatrixXd> groups)
    : groups_(std::move(groups)),
      mean_(Eigen::MatrixXd::Zero(groups_[0].rows(), groups_[0].cols())),
      weights_(groups_.size(), 1.0 / static_cast<double>(groups_.size())),
      like_{Tensor::empty({groups_[0].rows()}, DType::kFloat64)} {
  for (const Eigen::MatrixXd& group : groups_) mean_ += weights_[0] * group;
}

Products GroupedOperator::apply_block(std::span<const ParameterVector> v) {
  Products result;
  for (const ParameterVector& vector : v) {
    const Eigen::VectorXd x = flatten(vector);
    result.vectors.push_back(unflatten(mean_ * x, like_));
    std::vector<double>& forms = result.forms.emplace_back();
    for (const Eigen::MatrixXd& group : groups_) forms.push_back(x.dot(group * x));
  }
  return result;
}

}  // namespace switchyard
