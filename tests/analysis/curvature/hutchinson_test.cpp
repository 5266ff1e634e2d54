#include "analysis/curvature/hutchinson.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <limits>

#include "tests/analysis/curvature/matrix_operator.h"

namespace switchyard {
namespace {

Eigen::MatrixXd symmetric_matrix() {
  return matrix_with_spectrum(Eigen::VectorXd::LinSpaced(40, -3.0, 9.0), 1);
}

/// Hutchinson, 1990: variance of zᵀA z for Rademacher z.
double sample_variance_of(const Eigen::MatrixXd& a) {
  return 2.0 * (a.squaredNorm() - a.diagonal().squaredNorm());
}

TEST(Hutchinson, IsExactForADiagonalMatrix) {
  const Eigen::VectorXd diagonal = Eigen::VectorXd::LinSpaced(9, -1.0, 5.0);
  MatrixOperator a(diagonal.asDiagonal());
  const TraceEstimate estimate = hutchinson_trace(a, Generator(1), {.samples = 5});
  EXPECT_NEAR(estimate.mean, diagonal.sum(), 1e-12);
  EXPECT_NEAR(estimate.standard_error, 0.0, 1e-12);
}

TEST(Hutchinson, IsWithinItsStandardErrorOfTheTrace) {
  const Eigen::MatrixXd matrix = symmetric_matrix();
  for (DType dtype : {DType::kFloat32, DType::kFloat64}) {
    MatrixOperator a(matrix, dtype);
    const TraceEstimate estimate = hutchinson_trace(a, Generator(2), {.samples = 400});
    EXPECT_LT(std::abs(estimate.mean - matrix.trace()), 4.0 * estimate.standard_error);
    EXPECT_EQ(a.products(), 400);
    EXPECT_EQ(estimate.samples.size(), 400u);
  }
}

TEST(Hutchinson, HasTheStandardErrorOfTheory) {
  const Eigen::MatrixXd matrix = symmetric_matrix();
  MatrixOperator a(matrix);
  for (int samples : {100, 400, 1600}) {  // the error must fall as 1/√samples
    const TraceEstimate estimate = hutchinson_trace(a, Generator(3), {.samples = samples});
    const double theory = std::sqrt(sample_variance_of(matrix) / samples);
    EXPECT_NEAR(estimate.standard_error / theory, 1.0, 3.0 / std::sqrt(2.0 * samples));
  }
}

TEST(Hutchinson, DoesNotKnowTheErrorOfOneSample) {
  MatrixOperator a(symmetric_matrix());
  const TraceEstimate estimate = hutchinson_trace(a, Generator(4), {.samples = 1});
  EXPECT_EQ(estimate.mean, estimate.samples[0]);
  EXPECT_TRUE(std::isnan(estimate.standard_error));
  EXPECT_EQ(nlohmann::json::parse(to_json(estimate).dump())["standard_error"], nullptr);
}

TEST(Hutchinson, DrawsItsProbesFromTheGenerator) {
  MatrixOperator a(symmetric_matrix());
  const TraceEstimate first = hutchinson_trace(a, Generator(5), {.samples = 3});
  EXPECT_EQ(first.samples, hutchinson_trace(a, Generator(5), {.samples = 3}).samples);
  EXPECT_NE(first.samples, hutchinson_trace(a, Generator(6), {.samples = 3}).samples);
  EXPECT_NE(first.samples[0], first.samples[1]);
}

TEST(Hutchinson, RejectsWhatItCannotDo) {
  MatrixOperator a(symmetric_matrix());
  EXPECT_THROW(hutchinson_trace(a, Generator(7), {.samples = 0}), UsageError);
  MatrixOperator broken(Eigen::MatrixXd::Constant(3, 3, std::numeric_limits<double>::infinity()));
  EXPECT_THROW(hutchinson_trace(broken, Generator(8)), Error);
}

TEST(Hutchinson, WritesItsPartOfTheResults) {
  const TraceEstimate estimate{.mean = 2.0, .standard_error = 0.5, .samples = {1.5, 2.5}};
  const nlohmann::json json = to_json(estimate);
  EXPECT_EQ(json["mean"], 2.0);
  EXPECT_EQ(json["standard_error"], 0.5);
  EXPECT_EQ(json["samples"], 2);
  EXPECT_TRUE(json["error"].contains("total"));
}

}  // namespace
}  // namespace switchyard
