#include "analysis/curvature/probe_scatter.h"

#include <gtest/gtest.h>

#include <cmath>

#include "analysis/curvature/vectors.h"
#include "tests/analysis/curvature/matrix_operator.h"

namespace switchyard {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// What `count` probes of the operator say, and the samples zᵀA z.
StandardError scatter_of(SymmetricOperator& a, std::uint64_t seed, int count,
                         std::vector<double>* samples = nullptr) {
  ProbeScatter scatter;
  Generator random(seed);
  for (int i = 0; i < count; ++i) {
    const ParameterVector z = random_sign_like(a.like(), random);
    const ParameterVector az = a.apply(z);
    scatter.add(z, az);
    if (samples != nullptr) samples->push_back(dot(z, az));
  }
  return scatter.error_of_mean();
}

/// Of the mean of n samples (Hutchinson, 1990).
double variance_of_mean(const MatrixXd& a, int n) {
  return 2.0 * (a.squaredNorm() - a.diagonal().squaredNorm()) / n;
}

TEST(ProbeScatter, ExpectsTheVarianceOfTheory) {
  constexpr int kProbes = 6;
  for (const bool outlier : {false, true}) {
    VectorXd spectrum = VectorXd::LinSpaced(40, -1.0, 2.0);
    if (outlier) spectrum[39] = 30.0;
    const MatrixXd matrix = matrix_with_spectrum(spectrum, 1);
    MatrixOperator a(matrix);
    double mean = 0.0;
    constexpr int kRuns = 1500;
    for (std::uint64_t run = 0; run < kRuns; ++run) {
      mean += std::pow(scatter_of(a, run, kProbes).value, 2) / kRuns;
    }
    EXPECT_NEAR(mean / variance_of_mean(matrix, kProbes), 1.0, 0.05);
  }
}

TEST(ProbeScatter, KnowsItBetterThanTheSamplesDo) {
  // A matrix of rank one: each sample is a multiple of a χ² with one degree of freedom.
  VectorXd spectrum = VectorXd::Zero(50);
  spectrum[0] = 1.0;
  const MatrixXd matrix = matrix_with_spectrum(spectrum, 2);
  const double truth = variance_of_mean(matrix, 10);
  MatrixOperator a(matrix);
  double ours = 0.0;
  double theirs = 0.0;
  for (std::uint64_t run = 0; run < 400; ++run) {
    std::vector<double> samples;
    ours += std::pow(std::pow(scatter_of(a, run, 10, &samples).value, 2) - truth, 2);
    theirs += std::pow(std::pow(standard_error_of_mean(samples).value, 2) - truth, 2);
  }
  EXPECT_LT(ours, 0.35 * theirs);
}

TEST(ProbeScatter, IsZeroForADiagonalMatrixAndUnknownForOneVector) {
  MatrixOperator a(MatrixXd(VectorXd::LinSpaced(9, -1.0, 5.0).asDiagonal()));
  EXPECT_EQ(scatter_of(a, 3, 4).value, 0.0);
  EXPECT_TRUE(std::isnan(scatter_of(a, 3, 1).value));
}

TEST(ProbeScatter, HasTheFreedomThatTheScatterShows) {
  // Two vectors have one distance, which shows nothing of its own scatter.
  MatrixOperator flat(matrix_with_spectrum(VectorXd::LinSpaced(200, 0.0, 1.0), 4));
  EXPECT_EQ(scatter_of(flat, 5, 2).degrees_of_freedom, 2.0);
  // A flat spectrum's distances are all alike; those of rank one are not.
  EXPECT_GT(scatter_of(flat, 5, 10).degrees_of_freedom, 17.0);
  VectorXd spectrum = VectorXd::Zero(200);
  spectrum[0] = 1.0;
  MatrixOperator one(matrix_with_spectrum(spectrum, 6));
  EXPECT_LT(scatter_of(one, 5, 10).degrees_of_freedom, 15.0);
}

TEST(ProbeScatter, WorksAtAnyScale) {
  const MatrixXd matrix = matrix_with_spectrum(VectorXd::LinSpaced(12, -1.0, 2.0), 7);
  MatrixOperator plain(matrix);
  const StandardError expected = scatter_of(plain, 8, 5);
  for (const double scale : {1e-200, 1e200}) {
    MatrixOperator a(matrix * scale);
    const StandardError error = scatter_of(a, 8, 5);
    EXPECT_NEAR(error.value / scale / expected.value, 1.0, 1e-12);
    EXPECT_NEAR(error.degrees_of_freedom, expected.degrees_of_freedom, 1e-9);
  }
}

}  // namespace
}  // namespace switchyard
