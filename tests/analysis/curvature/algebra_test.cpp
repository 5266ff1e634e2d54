#include "analysis/curvature/algebra.h"

#include <gtest/gtest.h>

#include "analysis/curvature/loss_hessian.h"
#include "analysis/curvature/vectors.h"
#include "tests/analysis/curvature/matrix_operator.h"
#include "tests/analysis/curvature/tiny_network.h"
#include "tests/support/expect_error.h"

namespace switchyard {
namespace {

using Eigen::MatrixXd;

MatrixXd random_matrix(unsigned seed) {
  return matrix_with_spectrum(Eigen::VectorXd::LinSpaced(9, -1.0, 3.0), seed);
}

Operator of(const MatrixXd& matrix) { return std::make_shared<MatrixOperator>(matrix); }

TEST(Algebra, IsThatOfTheMatrices) {
  const MatrixXd a = random_matrix(1);
  const MatrixXd b = random_matrix(2);
  const Operator x = of(a);
  const Operator y = of(b);
  const MatrixXd one = MatrixXd::Identity(9, 9);
  EXPECT_LT((dense_matrix(*sum(x, y)) - (a + b)).norm(), 1e-13);
  EXPECT_LT((dense_matrix(*scaled(x, -2.5)) - -2.5 * a).norm(), 1e-13);
  EXPECT_LT((dense_matrix(*shifted(x, 0.75)) - (a + 0.75 * one)).norm(), 1e-13);
  EXPECT_LT((dense_matrix(*composition({y, x, y})) - b * a * b).norm(), 1e-12);
  EXPECT_LT((dense_matrix(*composition({x, x})) - a * a).norm(), 1e-12);
}

TEST(Algebra, KeepsTheGroupsOfAMean) {
  TinyNetwork network(13);
  const auto hessian = std::make_shared<LossHessian>(network.parameters, network.terms({4, 9, 13}));
  Generator random(1);
  const std::vector<ParameterVector> v = {random_normal_like(network.parameters, random)};
  const double square = dot(v[0], v[0]);
  const Operator made = shifted(scaled(sum(hessian, hessian), 0.25), 3.0);
  const std::vector<double> plain = hessian->apply_block(v).forms[0];
  const std::vector<double> forms = made->apply_block(v).forms[0];
  ASSERT_EQ(made->group_weights().size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(forms[i], 0.5 * plain[i] + 3.0 * square, 1e-12);

  const auto other = std::make_shared<LossHessian>(network.parameters, network.terms({5, 13}));
  EXPECT_TRUE(sum(hessian, other)->group_weights().empty());
  EXPECT_TRUE(sum(hessian, other)->apply_block(v).forms.empty());
}

TEST(Algebra, RefusesWhatDoesNotFit) {
  const Operator x = of(random_matrix(1));
  const Operator y = of(random_matrix(2));
  test::expect_error([&] { composition({x, y}); }, "read the same backwards");
  test::expect_error([&] { composition({}); }, "no factors");
  test::expect_error([&] { sum(x, of(MatrixXd::Identity(4, 4))); }, "entry 0 is float64 [4, 1]");
}

}  // namespace
}  // namespace switchyard
