#include "analysis/curvature/curvature_kind.h"

#include <gtest/gtest.h>

#include <limits>

#include "analysis/curvature/classifier_loss.h"
#include "analysis/curvature/vectors.h"
#include "engine/autograd/grad.h"
#include "tests/analysis/curvature/matrix_operator.h"
#include "tests/analysis/curvature/tiny_head.h"
#include "tests/analysis/small_problem.h"
#include "tests/support/expect_error.h"

namespace switchyard {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr std::int64_t kRows = 11;
const std::vector<std::int64_t> kBorders = {4, 8, kRows};  // a short last batch

double relative_error(const MatrixXd& got, const MatrixXd& expected) {
  return (got - expected).norm() / expected.norm();
}

/// Σ over images of J_nᵀ M_n J_n / N from the dense Jacobian.
MatrixXd between_jacobians(const TinyHead& tiny, const auto& middle) {
  const MatrixXd jacobian = tiny.jacobian();
  const MatrixXd p = tiny.probabilities();
  MatrixXd sum = MatrixXd::Zero(jacobian.cols(), jacobian.cols());
  for (Eigen::Index n = 0; n < p.rows(); ++n) {
    const MatrixXd j = jacobian.middleRows(n * p.cols(), p.cols());
    sum += j.transpose() * middle(n, VectorXd(p.row(n))) * j;
  }
  return sum / static_cast<double>(p.rows());
}

MatrixXd dense_gauss_newton(const TinyHead& tiny) {
  return between_jacobians(tiny, [](Eigen::Index, const VectorXd& p) -> MatrixXd {
    return MatrixXd(p.asDiagonal()) - p * p.transpose();
  });
}

MatrixXd dense_fisher(const TinyHead& tiny) {
  return between_jacobians(tiny, [&](Eigen::Index n, VectorXd p) -> MatrixXd {
    p[tiny.labels.span<std::int64_t>()[static_cast<std::size_t>(n)]] -= 1.0;
    return p * p.transpose();
  });
}

class DenseMatrices : public testing::TestWithParam<std::string> {
 protected:
  MatrixXd of(CurvatureKind kind) {
    return dense_matrix(*curvature_operator(kind, tiny.parameters, tiny.terms(kBorders)));
  }

  TinyHead tiny{GetParam(), kRows};
};

TEST_P(DenseMatrices, OfTheHessian) {
  const MatrixXd hessian = of(CurvatureKind::kHessian);
  EXPECT_LT(relative_error(hessian.transpose(), hessian), 1e-13);
  EXPECT_LT(relative_error(hessian, tiny.finite_difference_hessian()), 1e-9);
}

TEST_P(DenseMatrices, OfGaussNewtonAndTheRemainder) {
  const MatrixXd expected = dense_gauss_newton(tiny);
  const MatrixXd got = of(CurvatureKind::kGaussNewton);
  EXPECT_LT(relative_error(got, expected), 1e-12);
  EXPECT_LT(relative_error(of(CurvatureKind::kRemainder), of(CurvatureKind::kHessian) - expected),
            1e-12);
}

TEST_P(DenseMatrices, OfTheFisherMatrixAndTheCovarianceOfGradients) {
  const MatrixXd expected = dense_fisher(tiny);
  EXPECT_LT(relative_error(of(CurvatureKind::kEmpiricalFisher), expected), 1e-12);
  const VectorXd g = flatten(grad(tiny.loss(), tiny.parameters));
  EXPECT_LT(relative_error(of(CurvatureKind::kGradientCovariance), expected - g * g.transpose()),
            1e-12);
}

TEST_P(DenseMatrices, GroupsFormsAddUpToTheProducts) {
  Generator random(3);
  const ParameterVector v = random_normal_like(tiny.parameters, random);
  for (const std::string& kind : curvature_kind_names()) {
    const Operator a =
        curvature_operator(parse_curvature_kind(kind), tiny.parameters, tiny.terms(kBorders));
    const Products products = a->apply_block(std::vector{v, v});
    ASSERT_EQ(products.vectors.size(), 2u);
    ASSERT_EQ(products.forms[1].size(), kBorders.size()) << kind;
    double mean = 0.0;
    for (std::size_t i = 0; i < kBorders.size(); ++i) {
      mean += a->group_weights()[i] * products.forms[1][i];
    }
    EXPECT_NEAR(mean, dot(v, products.vectors[1]), 1e-13 * std::abs(mean)) << kind;
  }
}

TEST_P(DenseMatrices, CovarianceFormsAreTheInfluenceOfEachGroup) {
  // d/dw_i of vᵀ(F(w) - ḡ(w) ḡ(w)ᵀ)v where the weights w move from the present ones to group i.
  Generator random(6);
  const ParameterVector v = random_normal_like(tiny.parameters, random);
  const std::vector<LogitsTerm> terms = tiny.terms(kBorders);
  const std::vector<double> forms =
      curvature_operator(CurvatureKind::kGradientCovariance, tiny.parameters, terms)
          ->apply_block(std::span(&v, 1))
          .forms[0];
  const double mean = dot(grad(tiny.loss(), tiny.parameters), v);
  for (std::size_t i = 0; i < terms.size(); ++i) {
    LogitsTerm alone = terms[i];
    alone.weight = 1.0;
    const double fisher = dot(v, empirical_fisher(tiny.parameters, {alone})->apply(v));
    const double own = dot(mean_gradient(tiny.parameters, cross_entropy_of({alone})), v);
    EXPECT_NEAR(forms[i], fisher - 2.0 * own * mean + mean * mean, 1e-12 * fisher);
  }
}

TEST_P(DenseMatrices, AreTheSameInFloat32ToItsDigits) {
  TinyHead narrow(GetParam(), kRows, 1, DType::kFloat32);
  Generator random(7);
  const ParameterVector v = random_normal_like(tiny.parameters, random);
  ParameterVector v32;
  for (const Tensor& x : v) v32.push_back(x.to(DType::kFloat32));
  for (const std::string& name : curvature_kind_names()) {
    const CurvatureKind kind = parse_curvature_kind(name);
    const Operator a = curvature_operator(kind, narrow.parameters, narrow.terms(kBorders));
    const ParameterVector product = a->apply(v32);
    EXPECT_EQ(product[0].dtype(), DType::kFloat32);
    const VectorXd expected =
        flatten(curvature_operator(kind, tiny.parameters, tiny.terms(kBorders))->apply(v));
    EXPECT_LT((flatten(product) - expected).norm(), 3e-6 * expected.norm()) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Heads, DenseMatrices,
                         testing::Values("dense", "soft_moe", "sparse_moe", "hard_moe"));

class Blocks : public testing::TestWithParam<std::string> {};

TEST_P(Blocks, AreThoseOfTheWholeOperator) {
  SmallProblem problem("sparse_moe", 7);
  const std::vector<Batch> batches = problem.batches(3);
  const ParameterBlock all(problem.model->parameters());
  const CurvatureKind kind = parse_curvature_kind(GetParam());
  const Operator whole = block_curvature(kind, *problem.model, batches, all);
  Generator random(4);
  for (const std::string glob : {"head.gate", "head.experts.3", "head.experts.*.net.3.*",
                                 "backbone.backbone.conv1", "*.bias"}) {
    const std::vector globs{glob};
    const Operator part = block_curvature(kind, *problem.model, batches, all.matching(globs));
    const Operator reference = restricted(whole, all.by_itself().matching(globs));
    const ParameterVector v = random_normal_like(part->like(), random);
    EXPECT_GT(flatten(reference->apply(v)).norm(), 0.0) << glob;
    EXPECT_LT(relative_error(flatten(part->apply(v)), flatten(reference->apply(v))), 1e-11) << glob;
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, Blocks, testing::ValuesIn(curvature_kind_names()),
                         [](const auto& kind) { return kind.param; });

TEST(HeadBlock, DoesNotTouchTheBackboneAgain) {
  SmallProblem problem("soft_moe", 5);
  const ParameterBlock gate =
      ParameterBlock(problem.model->parameters()).matching(std::vector<std::string>{"head.gate"});
  const Operator a =
      block_curvature(CurvatureKind::kHessian, *problem.model, problem.batches(5), gate);
  Generator random(5);
  const ParameterVector v = random_normal_like(a->like(), random);
  const VectorXd before = flatten(a->apply(v));
  for (const nn::NamedTensor& parameter : problem.model->parameters()) {
    if (parameter.name.starts_with("backbone.")) {
      parameter.tensor->fill(std::numeric_limits<double>::quiet_NaN());
    }
  }
  EXPECT_EQ(flatten(a->apply(v)), before);
}

TEST(CurvatureKinds, HaveNames) {
  for (const std::string& text : curvature_kind_names()) {
    EXPECT_EQ(name(parse_curvature_kind(text)), text);
  }
  test::expect_error([] { parse_curvature_kind("fisher"); }, "there are hessian, gauss_newton");
}

}  // namespace
}  // namespace switchyard
