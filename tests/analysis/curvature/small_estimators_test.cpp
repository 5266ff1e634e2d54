// The diagonal, power iteration and dense spectra: estimators of a few lines each.

#include <gtest/gtest.h>

#include <Eigen/Eigenvalues>
#include <nlohmann/json.hpp>

#include "analysis/curvature/curvature_kind.h"
#include "analysis/curvature/dense_spectrum.h"
#include "analysis/curvature/diagonal.h"
#include "analysis/curvature/power_iteration.h"
#include "analysis/curvature/vectors.h"
#include "tests/analysis/curvature/grouped_operator.h"
#include "tests/analysis/curvature/matrix_operator.h"
#include "tests/analysis/curvature/tiny_head.h"
#include "tests/support/expect_error.h"

namespace switchyard {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

TEST(Diagonal, IsWithinItsErrors) {
  const MatrixXd matrix = matrix_with_spectrum(VectorXd::LinSpaced(30, -1.0, 2.0), 1);
  MatrixOperator a(matrix);
  const DiagonalEstimate estimate = diagonal(a, Generator(2), 400);
  const VectorXd mean = flatten(estimate.mean);
  const VectorXd error = flatten(estimate.standard_error);
  EXPECT_EQ(estimate.products, 400);
  for (Eigen::Index i = 0; i < 30; ++i) {
    EXPECT_LT(std::abs(mean[i] - matrix(i, i)), 4.5 * error[i]) << i;
    // Σ_{j≠i} a_ij² per sample (Bekas et al., 2007).
    const double variance = matrix.row(i).squaredNorm() - matrix(i, i) * matrix(i, i);
    EXPECT_NEAR(error[i] / std::sqrt(variance / 400.0), 1.0, 0.15) << i;
  }
}

TEST(Diagonal, IsExactForADiagonalMatrix) {
  const VectorXd entries = VectorXd::LinSpaced(8, -1.0, 5.0);
  MatrixOperator a(MatrixXd(entries.asDiagonal()), DType::kFloat32);
  const DiagonalEstimate estimate = diagonal(a, Generator(3), 2);
  EXPECT_LT((flatten(estimate.mean) - entries).norm(), 1e-6);
  EXPECT_EQ(flatten(estimate.standard_error).norm(), 0.0);
  EXPECT_THROW(diagonal(a, Generator(3), 0), UsageError);
}

TEST(PowerIteration, FindsTheGreatestMagnitude) {
  VectorXd spectrum = VectorXd::LinSpaced(40, -1.0, 1.0);
  spectrum[0] = -6.0;
  spectrum[39] = 4.0;
  MatrixOperator a(matrix_with_spectrum(spectrum, 4));
  const PowerIterationResult result =
      power_iteration(a, Generator(5), {.max_iterations = 200, .tolerance = 1e-8});
  EXPECT_TRUE(result.converged);
  EXPECT_NEAR(result.largest_magnitude.value, -6.0, 1e-10);
  EXPECT_EQ(result.history.size(), static_cast<std::size_t>(result.iterations));
  EXPECT_EQ(a.products(), result.iterations);
  ParameterVector rest = a.apply(result.vector);
  axpy(-result.largest_magnitude.value, result.vector, rest);
  EXPECT_NEAR(norm(rest), result.largest_magnitude.residual, 1e-12);
  EXPECT_THROW(power_iteration(a, Generator(1), {.max_iterations = 0}), UsageError);
}

TEST(PowerIteration, SaysThatItHasNotConverged) {
  VectorXd spectrum(2);
  spectrum << -3.0, 3.0;  // the iterate never settles
  MatrixOperator a(matrix_with_spectrum(spectrum, 6));
  const PowerIterationResult result = power_iteration(a, Generator(7));
  EXPECT_FALSE(result.converged);
  EXPECT_GT(result.largest_magnitude.residual, 0.1);
}

TEST(DenseSpectrum, IsThatOfTheMatrixInEveryHead) {
  for (const std::string head : {"dense", "soft_moe", "sparse_moe", "hard_moe"}) {
    TinyHead tiny(head, 9);
    const Operator a =
        curvature_operator(CurvatureKind::kHessian, tiny.parameters, tiny.terms({4, 9}));
    const MatrixXd matrix = dense_matrix(*a);
    const DenseSpectrum spectrum = dense_spectrum(*a, {.block = 7});
    const VectorXd expected = Eigen::SelfAdjointEigenSolver<MatrixXd>(matrix).eigenvalues();
    ASSERT_EQ(spectrum.values.size(), static_cast<std::size_t>(expected.size()));
    for (Eigen::Index i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(spectrum.values[static_cast<std::size_t>(i)], expected[i],
                  1e-12 * expected.cwiseAbs().maxCoeff());
    }
    EXPECT_NEAR(spectrum.trace, expected.sum(), 1e-11);
    EXPECT_LT(spectrum.asymmetry, 1e-13);
    const VectorXd top = flatten(spectrum.top);
    EXPECT_LT((matrix * top - spectrum.values.back() * top).norm(), 1e-8 * spectrum.values.back());
    EXPECT_GT(spectrum.largest_error.data.value, 0.0);
    EXPECT_GT(spectrum.trace_error.data.value, 0.0);
  }
}

TEST(DenseSpectrum, TakesTheDataErrorFromTheGroups) {
  std::vector<MatrixXd> groups;
  for (const double value : {1.0, 3.0}) groups.push_back(value * MatrixXd::Identity(5, 5));
  GroupedOperator a(groups);
  const DenseSpectrum spectrum = dense_spectrum(a);
  EXPECT_NEAR(spectrum.largest_error.data.value, 1.0, 1e-12);
  EXPECT_NEAR(spectrum.trace_error.data.value, 5.0, 1e-12);
  EXPECT_EQ(to_json(spectrum)["values"].size(), 5u);
}

TEST(DenseSpectrum, RefusesWhatIsNotForIt) {
  MatrixOperator narrow(MatrixXd::Identity(4, 4), DType::kFloat32);
  test::expect_error([&] { dense_spectrum(narrow); }, "needs float64, got float32");
  MatrixOperator wide(MatrixXd::Identity(9, 9));
  test::expect_error([&] { dense_spectrum(wide, {.max_dimension = 8}); },
                     "9 parameters, at most 8");
}

}  // namespace
}  // namespace switchyard
