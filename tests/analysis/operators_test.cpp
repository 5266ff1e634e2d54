#include "analysis/operators.h"

#include <gtest/gtest.h>

#include <Eigen/Eigenvalues>

#include "analysis/hutchinson.h"
#include "analysis/lanczos.h"
#include "analysis/vectors.h"
#include "tests/analysis/matrix_operator.h"
#include "tests/analysis/tiny_network.h"

namespace switchyard {
namespace {

constexpr std::int64_t kRows = 13;
constexpr std::size_t kNoMemory = 0;

double relative_error(const Eigen::MatrixXd& got, const Eigen::MatrixXd& expected) {
  return (got - expected).norm() / expected.norm();
}

/// The Hessian by central differences of the loss, which knows nothing of derivative rules.
Eigen::MatrixXd finite_difference_hessian(TinyNetwork& network) {
  const double h = 1e-4;
  const Eigen::VectorXd center = flatten(network.parameters);
  const auto loss_at = [&](const Eigen::VectorXd& theta) {
    const std::vector<Tensor> values = unflatten(theta, network.parameters);
    for (std::size_t i = 0; i < values.size(); ++i) network.parameters[i].copy_from(values[i]);
    return network.loss(0, kRows).item();
  };
  const Eigen::Index n = center.size();
  Eigen::MatrixXd hessian(n, n);
  for (Eigen::Index i = 0; i < n; ++i) {
    for (Eigen::Index j = 0; j <= i; ++j) {
      const Eigen::VectorXd di = h * Eigen::VectorXd::Unit(n, i);
      const Eigen::VectorXd dj = h * Eigen::VectorXd::Unit(n, j);
      hessian(i, j) = hessian(j, i) = (loss_at(center + di + dj) - loss_at(center + di - dj) -
                                       loss_at(center - di + dj) + loss_at(center - di - dj)) /
                                      (4.0 * h * h);
    }
  }
  loss_at(center);
  return hessian;
}

TEST(LossOperator, ProductsAreThoseOfTheDenseHessian) {
  TinyNetwork network(kRows);
  LossOperator hessian(network.parameters, network.terms({kRows}));
  const Eigen::MatrixXd dense = dense_matrix(hessian);
  EXPECT_LT(relative_error(dense.transpose(), dense), 1e-13);
  EXPECT_LT(relative_error(dense, finite_difference_hessian(network)), 1e-6);
}

TEST(LossOperator, SumsUnequalBatchesToTheWhole) {
  TinyNetwork network(kRows);
  LossOperator whole(network.parameters, network.terms({kRows}));
  LossOperator parts(network.parameters, network.terms({1, 6, 10, kRows}));
  EXPECT_NEAR(parts.loss(), whole.loss(), 1e-14);
  EXPECT_LT(relative_error(flatten(parts.gradient()), flatten(whole.gradient())), 1e-13);
  EXPECT_LT(relative_error(dense_matrix(parts), dense_matrix(whole)), 1e-13);
}

TEST(LossOperator, KeptAndRebuiltGraphsGiveTheSameBits) {
  TinyNetwork network(kRows);
  LossOperator kept(network.parameters, network.terms({4, 9, kRows}));
  LossOperator rebuilt(network.parameters, network.terms({4, 9, kRows}),
                       {.graph_memory_bytes = kNoMemory});
  EXPECT_EQ(dense_matrix(kept), dense_matrix(rebuilt));
  EXPECT_EQ(flatten(kept.gradient()), flatten(rebuilt.gradient()));
  EXPECT_EQ(kept.kept_graphs(), 3u);
  EXPECT_EQ(rebuilt.kept_graphs(), 0u);
}

TEST(LossOperator, KeepsOnlyTheGraphsThatFit) {
  TinyNetwork network(kRows);
  const std::vector<Tensor> v = copy_of(network.parameters);
  LossOperator one(network.parameters, network.terms({kRows}));
  const std::size_t before = memory_stats(Device::kCpu).live;
  one.apply(v);
  const std::size_t bytes = memory_stats(Device::kCpu).live - before;
  ASSERT_GT(bytes, 0u);

  std::vector<LossTerm> terms;
  for (int i = 0; i < 4; ++i) terms.push_back(network.terms({kRows})[0]);
  LossOperator some(network.parameters, terms, {.graph_memory_bytes = 2 * bytes});
  some.apply(v);
  EXPECT_EQ(some.kept_graphs(), 2u);
  some.parameters_changed();
  EXPECT_EQ(some.kept_graphs(), 0u);
}

TEST(LossOperator, FollowsParametersThatChanged) {
  TinyNetwork network(kRows);
  LossOperator hessian(network.parameters, network.terms({5, kRows}));
  const std::vector<Tensor> v = copy_of(network.parameters);
  const Eigen::VectorXd before = flatten(hessian.apply(v));
  scale(network.parameters, 0.5);
  hessian.parameters_changed();
  LossOperator fresh(network.parameters, network.terms({5, kRows}));
  EXPECT_EQ(flatten(hessian.apply(v)), flatten(fresh.apply(v)));
  EXPECT_GT(relative_error(flatten(hessian.apply(v)), before), 1e-2);
}

TEST(LossOperator, LeavesNoGraphBehindALoss) {
  TinyNetwork network(kRows);
  LossOperator hessian(network.parameters, network.terms({kRows}));
  const std::size_t before = memory_stats(Device::kCpu).live;
  hessian.loss();
  hessian.gradient();
  EXPECT_EQ(memory_stats(Device::kCpu).live, before);
}

TEST(LossOperator, EstimatesAgreeWithTheDenseSpectrum) {
  TinyNetwork network(kRows);
  LossOperator hessian(network.parameters, network.terms({6, kRows}));
  const Eigen::MatrixXd dense = dense_matrix(hessian);
  const Eigen::VectorXd spectrum =
      Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(dense).eigenvalues();
  ASSERT_LT(spectrum.minCoeff(), -1e-3);  // an indefinite Hessian, as networks have

  const LanczosResult top =
      lanczos(hessian, Generator(2), {.max_iterations = 40, .tolerance = 1e-10});
  EXPECT_TRUE(top.converged);
  EXPECT_NEAR(top.largest.value, spectrum.maxCoeff(), 1e-12);
  EXPECT_LT((dense * flatten(top.vector) - top.largest.value * flatten(top.vector)).norm(), 1e-9);

  const TraceEstimate trace = hutchinson_trace(hessian, Generator(3), {.samples = 200});
  EXPECT_LT(std::abs(trace.mean - dense.trace()), 4.0 * trace.standard_error);
}

TEST(LossOperator, RejectsEmptyLists) {
  TinyNetwork network(kRows);
  EXPECT_THROW(LossOperator({}, network.terms({kRows})), Error);
  EXPECT_THROW(LossOperator(network.parameters, {}), Error);
}

}  // namespace
}  // namespace switchyard
