#include "analysis/curvature/loss_hessian.h"

#include <gtest/gtest.h>

#include <Eigen/Eigenvalues>

#include "analysis/curvature/hutchinson.h"
#include "analysis/curvature/lanczos.h"
#include "analysis/curvature/vectors.h"
#include "tests/analysis/curvature/matrix_operator.h"
#include "tests/analysis/curvature/tiny_network.h"

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

TEST(LossHessian, ProductsAreThoseOfTheDenseHessian) {
  TinyNetwork network(kRows);
  LossHessian hessian(network.parameters, network.terms({kRows}));
  const Eigen::MatrixXd dense = dense_matrix(hessian);
  EXPECT_LT(relative_error(dense.transpose(), dense), 1e-13);
  EXPECT_LT(relative_error(dense, finite_difference_hessian(network)), 1e-6);
}

TEST(LossHessian, SumsUnequalBatchesToTheWhole) {
  TinyNetwork network(kRows);
  LossHessian whole(network.parameters, network.terms({kRows}));
  LossHessian parts(network.parameters, network.terms({1, 6, 10, kRows}));
  EXPECT_NEAR(parts.loss(), whole.loss(), 1e-14);
  EXPECT_LT(relative_error(dense_matrix(parts), dense_matrix(whole)), 1e-13);
}

TEST(LossHessian, KeptAndRebuiltGraphsGiveTheSameBits) {
  TinyNetwork network(kRows);
  LossHessian kept(network.parameters, network.terms({4, 9, kRows}));
  LossHessian rebuilt(network.parameters, network.terms({4, 9, kRows}),
                      std::make_shared<GraphMemory>(kNoMemory));
  EXPECT_EQ(dense_matrix(kept), dense_matrix(rebuilt));
}

TEST(LossHessian, KeepsOnlyTheGraphsThatFit) {
  TinyNetwork network(kRows);
  const std::vector<Tensor> v = copy_of(network.parameters);
  /// Bytes that a product leaves in memory.
  const auto kept_bytes = [&](int terms, std::size_t budget) {
    std::vector<LossTerm> list;
    for (int i = 0; i < terms; ++i) list.push_back(network.terms({kRows})[0]);
    LossHessian hessian(network.parameters, list, std::make_shared<GraphMemory>(budget));
    const std::size_t before = memory_stats(Device::kCpu).live;
    hessian.apply(v);
    return memory_stats(Device::kCpu).live - before;
  };
  const std::size_t one = kept_bytes(1, 2'000'000'000);
  ASSERT_GT(one, 0u);
  EXPECT_EQ(kept_bytes(4, 2 * one), 2 * one);
  EXPECT_EQ(kept_bytes(4, kNoMemory), 0u);
}

TEST(LossHessian, LeavesNoGraphBehindALoss) {
  TinyNetwork network(kRows);
  LossHessian hessian(network.parameters, network.terms({kRows}));
  const std::size_t before = memory_stats(Device::kCpu).live;
  hessian.loss();
  EXPECT_EQ(memory_stats(Device::kCpu).live, before);
}

TEST(LossHessian, EstimatesAgreeWithTheDenseSpectrum) {
  TinyNetwork network(kRows);
  LossHessian hessian(network.parameters, network.terms({6, kRows}));
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

TEST(LossHessian, RejectsEmptyLists) {
  TinyNetwork network(kRows);
  EXPECT_THROW(LossHessian({}, network.terms({kRows})), Error);
  EXPECT_THROW(LossHessian(network.parameters, {}), Error);
}

}  // namespace
}  // namespace switchyard
