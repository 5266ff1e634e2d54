#include "tests/analysis/curvature/matrix_operator.h"

#include <Eigen/QR>
#include <random>

namespace switchyard {

MatrixOperator::MatrixOperator(Eigen::MatrixXd matrix, DType dtype) : matrix_(std::move(matrix)) {
  const std::int64_t n = matrix_.rows();
  like_ = {Tensor::empty({n / 2, 1}, dtype), Tensor::empty({n - n / 2}, dtype)};
}

Products MatrixOperator::apply_block(std::span<const ParameterVector> v) {
  Products result;
  for (const ParameterVector& vector : v) {
    ++products_;
    result.vectors.push_back(unflatten(matrix_ * flatten(vector), like_));
  }
  return result;
}

Eigen::VectorXd flatten(std::span<const Tensor> x) {
  std::vector<double> values;
  for (const Tensor& tensor : x) {
    const std::vector<double> part = tensor.to_doubles();
    values.insert(values.end(), part.begin(), part.end());
  }
  return Eigen::Map<Eigen::VectorXd>(values.data(), static_cast<Eigen::Index>(values.size()));
}

std::vector<Tensor> unflatten(const Eigen::VectorXd& values, std::span<const Tensor> like) {
  std::vector<Tensor> parts;
  const double* next = values.data();
  for (const Tensor& tensor : like) {
    const std::span<const double> part(next, static_cast<std::size_t>(tensor.numel()));
    parts.push_back(Tensor::from(tensor.shape(), part).to(tensor.dtype()));
    next += tensor.numel();
  }
  return parts;
}

Eigen::MatrixXd matrix_with_spectrum(const Eigen::VectorXd& spectrum, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  const Eigen::Index n = spectrum.size();
  const Eigen::MatrixXd gaussian =
      Eigen::MatrixXd::NullaryExpr(n, n, [&] { return normal(random); });
  const Eigen::MatrixXd q = gaussian.householderQr().householderQ();
  return q * spectrum.asDiagonal() * q.transpose();
}

Eigen::MatrixXd dense_matrix(SymmetricOperator& a) {
  const Eigen::Index n = flatten(a.like()).size();
  Eigen::MatrixXd matrix(n, n);
  for (Eigen::Index i = 0; i < n; ++i) {
    matrix.col(i) = flatten(a.apply(unflatten(Eigen::VectorXd::Unit(n, i), a.like())));
  }
  return matrix;
}

}  // namespace switchyard
