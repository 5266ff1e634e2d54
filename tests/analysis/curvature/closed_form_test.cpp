// Losses whose Hessians are known in closed form, through the engine's own derivatives.

#include <gtest/gtest.h>

#include <Eigen/Eigenvalues>

#include "analysis/curvature/eigenpairs.h"
#include "analysis/curvature/loss_hessian.h"
#include "analysis/curvature/output_curvature.h"
#include "analysis/curvature/vectors.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/matmul.h"
#include "engine/ops/reduction.h"
#include "engine/ops/softmax.h"
#include "tests/analysis/curvature/matrix_operator.h"

namespace switchyard {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

Tensor tensor_of(const MatrixXd& matrix) {
  const Eigen::Matrix<double, -1, -1, Eigen::RowMajor> rows = matrix;
  return Tensor::from({rows.rows(), rows.cols()},
                      std::span(rows.data(), static_cast<std::size_t>(rows.size())));
}

TEST(ClosedForm, OfAQuadraticIsItsMatrix) {
  VectorXd spectrum = VectorXd::LinSpaced(20, -2.0, 1.0);
  spectrum[19] = 5.0;
  for (const double scale : {1e-200, 1.0, 1e200}) {
    const MatrixXd matrix = matrix_with_spectrum(spectrum, 1) * scale;
    const Tensor a = tensor_of(matrix);
    std::vector<Tensor> theta = {Tensor::full({20, 1}, 0.1, DType::kFloat64).set_requires_grad()};
    LossHessian hessian(theta, {{[&] { return 0.5 * sum(theta[0] * matmul(a, theta[0])); }}});
    const MatrixXd symmetric = 0.5 * (matrix + matrix.transpose());
    EXPECT_LT((dense_matrix(hessian) - symmetric).cwiseAbs().maxCoeff(), 1e-14 * 5.0 * scale);
    const EigenpairResult top = eigenpairs(hessian, Generator(2), {.count = 2, .tolerance = 1e-9});
    EXPECT_NEAR(top.pairs[0].value / scale, 5.0, 1e-8);
    EXPECT_NEAR(top.pairs[1].value / scale, spectrum[18], 1e-8);
  }
}

TEST(ClosedForm, OfSoftmaxRegressionIsAKroneckerProduct) {
  // Σ_n (diag p_n - p_n p_nᵀ) ⊗ x_n x_nᵀ / N, which is also the Gauss-Newton matrix, for the logits
  // are linear in the weights.
  constexpr std::int64_t kImages = 9;
  constexpr std::int64_t kInputs = 5;
  constexpr std::int64_t kClasses = 3;
  Generator random(3);
  const Tensor x =
      random_normal({kImages, kInputs}, DType::kFloat64, random.next(kImages * kInputs));
  std::vector<Tensor> weights = {
      random_normal({kClasses, kInputs}, DType::kFloat64, random.next(kClasses * kInputs))
          .set_requires_grad()};
  const Tensor labels =
      Tensor::from({kImages}, std::vector<std::int64_t>{0, 1, 2, 2, 1, 0, 0, 1, 1});
  const std::vector<LogitsTerm> terms = {
      {[&] { return linear(x, weights[0], Tensor()); }, labels, 1.0}};

  const std::vector<double> p = softmax(terms[0].logits()).to_doubles();
  const std::vector<double> rows = x.to_doubles();
  MatrixXd expected = MatrixXd::Zero(kClasses * kInputs, kClasses * kInputs);
  for (std::int64_t n = 0; n < kImages; ++n) {
    const Eigen::Map<const VectorXd> pn(p.data() + n * kClasses, kClasses);
    const Eigen::Map<const VectorXd> xn(rows.data() + n * kInputs, kInputs);
    const MatrixXd middle = MatrixXd(pn.asDiagonal()) - pn * pn.transpose();
    for (Eigen::Index a = 0; a < kClasses; ++a) {
      for (Eigen::Index b = 0; b < kClasses; ++b) {
        expected.block(a * kInputs, b * kInputs, kInputs, kInputs) +=
            middle(a, b) * xn * xn.transpose() / kImages;
      }
    }
  }
  LossHessian hessian(weights, cross_entropy_of(terms));
  EXPECT_LT((dense_matrix(hessian) - expected).norm(), 1e-14 * expected.norm());
  EXPECT_LT((dense_matrix(*gauss_newton(weights, terms)) - expected).norm(),
            1e-14 * expected.norm());
  const VectorXd eigenvalues = Eigen::SelfAdjointEigenSolver<MatrixXd>(expected).eigenvalues();
  const EigenpairResult top = eigenpairs(hessian, Generator(4), {.count = 3, .tolerance = 1e-10});
  for (int i = 0; i < 3; ++i) {
    EXPECT_NEAR(top.pairs[static_cast<std::size_t>(i)].value,
                eigenvalues[kClasses * kInputs - 1 - i], 1e-12);
  }
}

}  // namespace
}  // namespace switchyard
