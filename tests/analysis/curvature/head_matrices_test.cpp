// What estimators and the algebra say of every head, against its dense float64 matrices.

#include <gtest/gtest.h>

#include <Eigen/Eigenvalues>
#include <cmath>

#include "analysis/curvature/classifier_loss.h"
#include "analysis/curvature/curvature_kind.h"
#include "analysis/curvature/dense_spectrum.h"
#include "analysis/curvature/density.h"
#include "analysis/curvature/vectors.h"
#include "analysis/curvature/xtrace.h"
#include "engine/autograd/grad.h"
#include "tests/analysis/curvature/matrix_operator.h"
#include "tests/analysis/curvature/tiny_head.h"
#include "tests/analysis/small_problem.h"

namespace switchyard {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr std::int64_t kRows = 10;

class HeadMatrices : public testing::TestWithParam<std::tuple<std::string, std::string>> {
 protected:
  TinyHead tiny{std::get<0>(GetParam()), kRows};
  Operator a = curvature_operator(parse_curvature_kind(std::get<1>(GetParam())), tiny.parameters,
                                  tiny.terms({4, 8, kRows}));
  MatrixXd matrix = dense_matrix(*a);
  VectorXd eigenvalues = Eigen::SelfAdjointEigenSolver<MatrixXd>(matrix).eigenvalues();
  double norm = eigenvalues.cwiseAbs().maxCoeff();
};

TEST_P(HeadMatrices, HaveTheirTraces) {
  EXPECT_NEAR(dense_spectrum(*a).trace, eigenvalues.sum(), 1e-10 * norm);
  const TraceEstimate hutchinson = hutchinson_trace(*a, Generator(1), {.samples = 40});
  EXPECT_LT(std::abs(hutchinson.mean - matrix.trace()), 3.5 * hutchinson.standard_error);
  EXPECT_LT(hutchinson.standard_error, 0.5 * eigenvalues.norm());
  const TraceEstimate extended = xtrace(*a, Generator(2), {.products = 16});
  EXPECT_LT(std::abs(extended.mean - matrix.trace()), 3.0 * extended.error.probe_half_width());
}

TEST_P(HeadMatrices, HaveTheirDensitysMoments) {
  const SpectralDensity density = spectral_density(*a, Generator(3), {.probes = 40, .steps = 4});
  for (int k = 1; k < 8; ++k) {
    const SpectralDensity::Share moment = density.moment(k);
    EXPECT_LT(std::abs(moment.mean - eigenvalues.array().pow(k).mean()),
              4.5 * moment.standard_error)
        << k;
  }
}

TEST_P(HeadMatrices, HaveTheirBlocks) {
  const ParameterBlock all(tiny.head->parameters());
  // Every second tensor, so that a block has parts of stacks and whole parameters.
  std::vector<std::string> names;
  for (std::size_t i = 0; i < all.parts().size(); i += 2) names.push_back(all.parts()[i].name);
  const ParameterBlock block = all.matching(names);
  const Operator part = restricted(a, block);
  ParameterVector ones;
  for (const Tensor& x : part->like()) ones.push_back(Tensor::full(x.shape(), 1.0, x.dtype()));
  const VectorXd marks = flatten(block.embed(ones, tiny.parameters));
  std::vector<Eigen::Index> places;
  for (Eigen::Index i = 0; i < marks.size(); ++i) {
    if (marks[i] != 0.0) places.push_back(i);
  }
  EXPECT_EQ(static_cast<std::int64_t>(places.size()), block.dimension());
  // The block's own order of elements is the whole's, stack by stack.
  const MatrixXd expected = matrix(places, places);
  EXPECT_LT((dense_matrix(*part) - expected).norm(), 1e-13 * expected.norm());
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, HeadMatrices,
    testing::Combine(testing::Values("dense", "soft_moe", "sparse_moe", "hard_moe"),
                     testing::ValuesIn(curvature_kind_names())),
    [](const auto& test) { return std::get<0>(test.param) + "_" + std::get<1>(test.param); });

class WholeModels : public testing::TestWithParam<std::tuple<std::string, std::string>> {};

TEST_P(WholeModels, HaveTheProductsOfDifferencesOfGradients) {
  // Routing stays as it is along so short a way, in the head and in the patch MoE of the backbone.
  SmallProblem problem(std::get<1>(GetParam()), 5);
  ModelConfig config = problem.model->config();
  config.backbone.name = std::get<0>(GetParam());
  problem.model = make_classifier(config, Generator(12), DType::kFloat64);
  const std::vector<Tensor> parameters = nn::tensors_of(problem.model->parameters());
  const std::vector<LossTerm> terms = cross_entropy_terms(*problem.model, problem.batches(3));
  const VectorXd centre = flatten(parameters);
  const auto gradient_at = [&](const VectorXd& theta) {
    const std::vector<Tensor> values = unflatten(theta, parameters);
    for (std::size_t i = 0; i < values.size(); ++i) Tensor(parameters[i]).copy_from(values[i]);
    return flatten(mean_gradient(parameters, terms));
  };
  Generator random(4);
  const ParameterVector v = random_normal_like(parameters, random);
  const VectorXd hv = flatten(cross_entropy_hessian(*problem.model, problem.batches(3)).apply(v));
  const VectorXd step = 1e-7 * flatten(v);
  const VectorXd difference =
      (8.0 * (gradient_at(centre + step) - gradient_at(centre - step)) -
       (gradient_at(centre + 2.0 * step) - gradient_at(centre - 2.0 * step))) /
      12e-7;
  EXPECT_GT(hv.norm(), 0.0);
  EXPECT_LT((hv - difference).norm(), 1e-5 * hv.norm());
}

INSTANTIATE_TEST_SUITE_P(Heads, WholeModels,
                         testing::Combine(testing::Values("small"),
                                          testing::Values("dense", "soft_moe", "sparse_moe",
                                                          "hard_moe")),
                         [](const auto& test) { return std::get<1>(test.param); });
INSTANTIATE_TEST_SUITE_P(PatchMoe, WholeModels,
                         testing::Combine(testing::Values("small_moe"), testing::Values("dense")));

}  // namespace
}  // namespace switchyard
