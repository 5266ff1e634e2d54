#include "analysis/curvature/xtrace.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/analysis/curvature/matrix_operator.h"

namespace switchyard {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// λ_i = 0.8^i: what networks' spectra look like at the top.
VectorXd decaying(Eigen::Index n) {
  return VectorXd::NullaryExpr(n, [](Eigen::Index i) { return std::pow(0.8, i); });
}

TEST(XTrace, IsUnbiased) {
  const VectorXd spectrum = VectorXd::LinSpaced(40, -1.0, 3.0);
  const MatrixXd matrix = matrix_with_spectrum(spectrum, 1);
  double mean = 0.0;
  double square = 0.0;
  constexpr int kRuns = 400;
  for (int run = 0; run < kRuns; ++run) {
    MatrixOperator a(matrix);
    const double value =
        xtrace(a, Generator(static_cast<std::uint64_t>(run)), {.products = 12}).mean;
    mean += value / kRuns;
    square += value * value / kRuns;
  }
  const double error = std::sqrt((square - mean * mean) / kRuns);
  EXPECT_LT(std::abs(mean - spectrum.sum()), 3.5 * error);
}

TEST(XTrace, KnowsItsError) {
  // The mean of the squared standard errors is the variance of the estimates, within a third.
  const VectorXd spectrum = VectorXd::LinSpaced(60, 0.0, 2.0);
  const MatrixXd matrix = matrix_with_spectrum(spectrum, 2);
  double claimed = 0.0;
  double actual = 0.0;
  for (std::uint64_t run = 0; run < 400; ++run) {
    MatrixOperator a(matrix);
    const TraceEstimate estimate = xtrace(a, Generator(run), {.products = 24});
    claimed += estimate.standard_error * estimate.standard_error;
    actual += std::pow(estimate.mean - spectrum.sum(), 2);
  }
  EXPECT_GT(claimed / actual, 0.66);
  EXPECT_LT(claimed / actual, 1.5);
}

TEST(XTrace, BeatsHutchinsonWhereTheSpectrumDecays) {
  const MatrixXd matrix = matrix_with_spectrum(decaying(200), 3);
  MatrixOperator a(matrix);
  MatrixOperator b(matrix);
  const TraceEstimate ours = xtrace(a, Generator(4), {.products = 60});
  const TraceEstimate plain = hutchinson_trace(b, Generator(4), {.samples = 60});
  EXPECT_EQ(a.products(), 60);
  EXPECT_EQ(ours.products, 60);
  EXPECT_LT(ours.standard_error, 0.05 * plain.standard_error);
  EXPECT_LT(std::abs(ours.mean - decaying(200).sum()), 4.0 * ours.standard_error);
}

TEST(XTrace, IsExactOnceTheSpanHoldsAll) {
  VectorXd low_rank = VectorXd::Zero(50);
  low_rank.head(3) << 5.0, -2.0, 1.0;
  for (const double scale : {1e-200, 1.0, 1e200}) {
    MatrixOperator a(matrix_with_spectrum(low_rank, 5) * scale);
    const TraceEstimate estimate = xtrace(a, Generator(6));
    EXPECT_TRUE(estimate.converged);
    EXPECT_EQ(estimate.standard_error, 0.0);
    EXPECT_NEAR(estimate.mean / scale, 4.0, 1e-11);
    EXPECT_LE(estimate.products, 8);
  }
  MatrixOperator small(matrix_with_spectrum(VectorXd::LinSpaced(5, 1.0, 3.0), 7));
  const TraceEstimate whole = xtrace(small, Generator(8));
  EXPECT_NEAR(whole.mean, 10.0, 1e-12);
  EXPECT_EQ(whole.products, 10);
  MatrixOperator zero(MatrixXd::Zero(9, 9));
  EXPECT_EQ(xtrace(zero, Generator(9)).mean, 0.0);
}

TEST(XTrace, DoesNotDependOnTheOperatorsScale) {
  const MatrixXd matrix = matrix_with_spectrum(VectorXd::LinSpaced(40, 0.0, 1.0), 12);
  MatrixOperator plain(matrix);
  const TraceEstimate expected = xtrace(plain, Generator(13), {.products = 12});
  for (const double scale : {1e-200, 1e200}) {
    MatrixOperator a(matrix * scale);
    const TraceEstimate estimate = xtrace(a, Generator(13), {.products = 12});
    EXPECT_NEAR(estimate.mean / scale, expected.mean, 1e-10);
    EXPECT_NEAR(estimate.standard_error / scale, expected.standard_error, 1e-10);
  }
}

TEST(XTrace, StopsOnItsTolerance) {
  MatrixOperator a(matrix_with_spectrum(decaying(100), 10));
  const TraceEstimate estimate = xtrace(a, Generator(11), {.products = 100, .tolerance = 1e-2});
  EXPECT_TRUE(estimate.converged);
  EXPECT_LT(estimate.products, 60);
  EXPECT_LE(estimate.error.probe_half_width(), 1e-2 * estimate.mean);
}

TEST(XTrace, RejectsWhatItCannotDo) {
  MatrixOperator a(MatrixXd::Identity(4, 4));
  EXPECT_THROW(xtrace(a, Generator(1), {.products = 1}), UsageError);
  MatrixOperator broken(MatrixXd::Constant(3, 3, std::numeric_limits<double>::quiet_NaN()));
  EXPECT_THROW(xtrace(broken, Generator(1)), Error);
}

}  // namespace
}  // namespace switchyard
