#include "analysis/curvature/lanczos.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <limits>

#include "analysis/curvature/vectors.h"
#include "tests/analysis/curvature/matrix_operator.h"

namespace switchyard {
namespace {

using Eigen::VectorXd;

VectorXd spectrum_between(double low, double high, Eigen::Index n) {
  return VectorXd::LinSpaced(n, low, high);
}

double true_residual(SymmetricOperator& a, const LanczosResult& result) {
  std::vector<Tensor> r = a.apply(result.vector);
  axpy(-result.largest.value, result.vector, r);
  return norm(r);
}

TEST(Lanczos, FindsTheLargestEigenvalueAndItsVector) {
  VectorXd spectrum = spectrum_between(-1.0, 1.0, 120);
  spectrum[50] = 7.25;  // the position in the diagonal must not matter
  MatrixOperator a(matrix_with_spectrum(spectrum, 1));
  const LanczosResult result = lanczos(a, Generator(2), {.max_iterations = 40, .tolerance = 1e-9});
  EXPECT_TRUE(result.converged);
  EXPECT_NEAR(result.largest.value, 7.25, 1e-12);
  EXPECT_NEAR(norm(result.vector), 1.0, 1e-14);
  EXPECT_LE(true_residual(a, result), 1e-8);
  EXPECT_LT(result.iterations, 40);
}

TEST(Lanczos, ReportsTheResidualOfItsVector) {
  MatrixOperator a(matrix_with_spectrum(spectrum_between(-3.0, 3.0, 200), 3));
  for (int products : {2, 5, 12, 25}) {
    const LanczosResult result =
        lanczos(a, Generator(4), {.max_iterations = products, .tolerance = 1e-12});
    EXPECT_EQ(result.iterations, products);
    EXPECT_FALSE(result.converged);
    EXPECT_NEAR(result.largest.residual / true_residual(a, result), 1.0, 1e-8);
    // Some eigenvalue lies within the residual, and a Ritz value never leaves the spectrum.
    EXPECT_LE(result.largest.value, 3.0 + 1e-12);
    EXPECT_GE(result.largest.value + result.largest.residual, 0.0);
  }
}

TEST(Lanczos, StopsOnTheResidual) {
  VectorXd spectrum = spectrum_between(0.0, 1.0, 100);
  spectrum[99] = 2.0;
  const Eigen::MatrixXd matrix = matrix_with_spectrum(spectrum, 5);
  int previous = 0;
  for (double tolerance : {1e-1, 1e-3, 1e-6, 1e-9}) {
    MatrixOperator a(matrix);
    const LanczosResult result =
        lanczos(a, Generator(6), {.max_iterations = 100, .tolerance = tolerance});
    EXPECT_TRUE(result.converged);
    EXPECT_LE(true_residual(a, result), tolerance * result.largest.value * (1.0 + 1e-6));
    EXPECT_GT(result.iterations, previous);
    EXPECT_EQ(a.products(), result.iterations + 1);  // one of them by true_residual()
    previous = result.iterations;
  }
}

TEST(Lanczos, SeparatesAClusterAtTheTop) {
  VectorXd spectrum = spectrum_between(-1.0, 1.0, 60);
  spectrum.tail(3) << 5.0, 5.001, 5.002;
  MatrixOperator a(matrix_with_spectrum(spectrum, 7));
  const LanczosResult result = lanczos(a, Generator(8), {.max_iterations = 60, .tolerance = 1e-8});
  EXPECT_TRUE(result.converged);
  EXPECT_NEAR(result.largest.value, 5.002, 1e-9);
}

TEST(Lanczos, TakesTheLargestAlgebraicValueWhereANegativeOneIsLargerInMagnitude) {
  VectorXd spectrum = spectrum_between(-0.5, 0.5, 80);
  spectrum[0] = -20.0;
  spectrum[79] = 5.0;
  MatrixOperator a(matrix_with_spectrum(spectrum, 9));
  const LanczosResult result = lanczos(a, Generator(10), {.max_iterations = 40, .tolerance = 1e-8});
  EXPECT_NEAR(result.largest.value, 5.0, 1e-9);
  EXPECT_NEAR(result.smallest.value, -20.0, 1e-9);
  EXPECT_EQ(&result.largest_magnitude(), &result.smallest);
}

TEST(Lanczos, FindsTheLargestOfANegativeDefiniteOperator) {
  VectorXd spectrum = spectrum_between(-9.0, -2.0, 30);
  spectrum[29] = -1.0;
  MatrixOperator a(matrix_with_spectrum(spectrum, 11));
  const LanczosResult result = lanczos(a, Generator(12), {.max_iterations = 30, .tolerance = 1e-8});
  EXPECT_TRUE(result.converged);
  EXPECT_NEAR(result.largest.value, -1.0, 1e-9);
}

TEST(Lanczos, EndsWhenTheKrylovSpaceIsExhausted) {
  // Three distinct eigenvalues: three products span all that a start vector can reach. The few
  // after them have to do with rounding errors alone.
  VectorXd spectrum(50);
  spectrum << VectorXd::Constant(20, 1.0), VectorXd::Constant(20, -2.0),
      VectorXd::Constant(10, 4.0);
  for (DType dtype : {DType::kFloat32, DType::kFloat64}) {
    MatrixOperator a(matrix_with_spectrum(spectrum, 13), dtype);
    const LanczosResult result = lanczos(a, Generator(14), {.tolerance = 1e-5});
    EXPECT_TRUE(result.converged);
    EXPECT_GE(result.iterations, 3);
    EXPECT_LE(result.iterations, 6);
    EXPECT_NEAR(result.largest.value, 4.0, dtype == DType::kFloat32 ? 1e-5 : 1e-12);
  }
}

TEST(Lanczos, HandlesZeroAndOneDimension) {
  MatrixOperator zero(Eigen::MatrixXd::Zero(20, 20));
  const LanczosResult nothing = lanczos(zero, Generator(15));
  EXPECT_TRUE(nothing.converged);
  EXPECT_EQ(nothing.iterations, 1);
  EXPECT_EQ(nothing.largest.value, 0.0);
  EXPECT_EQ(nothing.largest.residual, 0.0);

  for (const double value : {-3.5, 0.0, 1e-300}) {
    MatrixOperator one(Eigen::MatrixXd::Constant(1, 1, value));
    const LanczosResult single = lanczos(one, Generator(16));
    EXPECT_TRUE(single.converged);
    EXPECT_DOUBLE_EQ(single.largest.value, value);
    EXPECT_EQ(single.iterations, 1);
  }
}

/// diag(1, ..., 1, top) without a matrix, and with a count of its products.
class OneOutlier : public SymmetricOperator {
 public:
  OneOutlier(std::int64_t dimension, double top, DType dtype)
      : like_{Tensor::empty({dimension}, dtype)}, top_(top) {}
  std::span<const Tensor> like() const override { return like_; }
  Products apply_block(std::span<const ParameterVector> v) override {
    Products result;
    for (const ParameterVector& vector : v) result.vectors.push_back({product(vector[0])});
    return result;
  }

 private:
  Tensor product(const Tensor& x) const {
    Tensor y = x.clone();
    const std::int64_t last = y.numel() - 1;
    if (y.dtype() == DType::kFloat32) {
      y.data<float>()[last] *= static_cast<float>(top_);
    } else {
      y.data<double>()[last] *= top_;
    }
    return y;
  }

  std::vector<Tensor> like_;
  double top_;
};

TEST(Lanczos, FindsOneEigenvalueAboveFourMillionEqualOnes) {
  // After one product the residual is 1e-3 already, of the eigenvalue 1.
  for (DType dtype : {DType::kFloat32, DType::kFloat64}) {
    for (const double top : {3.0, 1.01}) {
      OneOutlier a(4'000'001, top, dtype);
      const LanczosResult result = lanczos(a, Generator(26));
      EXPECT_TRUE(result.converged);
      EXPECT_NEAR(result.largest.value, top, 1e-3);
      EXPECT_LE(result.iterations, 6);
    }
  }
}

TEST(Lanczos, SaysThatAllAreEqual) {
  for (DType dtype : {DType::kFloat32, DType::kFloat64}) {
    OneOutlier identity(1'000'000, 1.0, dtype);
    const LanczosResult result = lanczos(identity, Generator(27));
    EXPECT_TRUE(result.converged);
    EXPECT_NEAR(result.largest.value, 1.0, 1e-6);
    EXPECT_LE(result.iterations, 4);
  }
}

TEST(Lanczos, DoesNotClaimWhatTooFewProductsCannotSay) {
  // A residual of 1e-3 of the eigenvalue 1, and nothing known of what lies above.
  OneOutlier a(1'000'000, 3.0, DType::kFloat64);
  const LanczosResult one = lanczos(a, Generator(28), {.max_iterations = 1});
  EXPECT_LE(one.largest.residual, 5e-3);
  EXPECT_FALSE(one.converged);
  EXPECT_EQ(one.missed_probability, 1.0);
  // A spectrum without gaps: an eigenvalue 1e-3 above the top of what was seen would go unseen for
  // much longer than 20 products.
  MatrixOperator dense(matrix_with_spectrum(spectrum_between(0.0, 1.0, 400), 29));
  const LanczosResult some = lanczos(dense, Generator(30), {.max_iterations = 20});
  EXPECT_FALSE(some.converged);
  EXPECT_GT(some.missed_probability, 1e-3);
}

/// The promise itself: of many runs on spectra with a top eigenvalue that hardly any start vector
/// sees, no more than the failure probability call another one the largest.
TEST(Lanczos, FailsAsRarelyAsItSays) {
  VectorXd spectrum = spectrum_between(0.9, 1.0, 60);
  spectrum[59] = 1.2;
  const Eigen::MatrixXd matrix = matrix_with_spectrum(spectrum, 31);
  for (const double probability : {0.5, 0.1}) {
    int wrong = 0;
    constexpr int kRuns = 400;
    for (int run = 0; run < kRuns; ++run) {
      MatrixOperator a(matrix);
      const LanczosResult result = lanczos(a, Generator(100 + static_cast<std::uint64_t>(run)),
                                           {.tolerance = 2e-2, .failure_probability = probability});
      EXPECT_TRUE(result.converged);
      wrong += result.largest.value * 1.02 < 1.2 ? 1 : 0;
    }
    EXPECT_LE(wrong, probability * kRuns);
  }
}

TEST(Lanczos, DoesNotDependOnTheOperatorsScale) {
  const Eigen::MatrixXd small = VectorXd::LinSpaced(3, 1.0, 3.0).asDiagonal();
  VectorXd spectrum = spectrum_between(-1.0, 1.0, 60);
  spectrum[59] = 2.5;
  const Eigen::MatrixXd larger = matrix_with_spectrum(spectrum, 32);
  for (const double scale : {1e-200, 1e-300, 1e200, 1e300}) {
    MatrixOperator a(small * scale);
    const LanczosResult result = lanczos(a, Generator(33), {.tolerance = 1e-9});
    EXPECT_TRUE(result.converged);
    EXPECT_NEAR(result.largest.value / scale, 3.0, 1e-12);
    EXPECT_NEAR(result.smallest.value / scale, 1.0, 1e-12);
    MatrixOperator b(larger * scale);
    const LanczosResult other = lanczos(b, Generator(34), {.tolerance = 1e-9});
    EXPECT_TRUE(other.converged);
    EXPECT_NEAR(other.largest.value / scale, 2.5, 1e-12);
    EXPECT_LE(other.largest.residual / scale, 2.5e-9);
  }
  for (const double scale : {1e-30, 1e30}) {
    MatrixOperator a(larger * scale, DType::kFloat32);
    const LanczosResult result = lanczos(a, Generator(35), {.tolerance = 1e-4});
    EXPECT_TRUE(result.converged);
    EXPECT_NEAR(result.largest.value / scale, 2.5, 1e-5);
  }
}

TEST(Lanczos, StaysOrthogonalOverManySteps) {
  // Values far out at the lower end converge early; without reorthogonalisation copies of them
  // would take the steps that the crowded upper end needs.
  VectorXd spectrum = spectrum_between(0.0, 1.0, 60);
  for (int i = 0; i < 10; ++i) spectrum[i] = -100.0 * (i + 1);
  MatrixOperator a(matrix_with_spectrum(spectrum, 17));
  const LanczosResult result = lanczos(a, Generator(18), {.max_iterations = 60, .tolerance = 0.0});
  EXPECT_NEAR(result.smallest.value, -1000.0, 1e-9);
  EXPECT_NEAR(result.largest.value, 1.0, 1e-10);
}

TEST(Lanczos, WorksInFloat32) {
  VectorXd spectrum = spectrum_between(-1.0, 1.0, 150);
  spectrum[149] = 3.0;
  MatrixOperator a(matrix_with_spectrum(spectrum, 19), DType::kFloat32);
  const LanczosResult result = lanczos(a, Generator(20), {.max_iterations = 40, .tolerance = 1e-4});
  EXPECT_TRUE(result.converged);
  EXPECT_NEAR(result.largest.value, 3.0, 3e-6);
  EXPECT_EQ(result.vector[0].dtype(), DType::kFloat32);
}

TEST(Lanczos, RepeatsWithItsGenerator) {
  MatrixOperator a(matrix_with_spectrum(spectrum_between(-3.0, 3.0, 50), 21));
  const LanczosOptions options{.max_iterations = 8};
  const LanczosResult first = lanczos(a, Generator(22), options);
  EXPECT_EQ(first.largest.value, lanczos(a, Generator(22), options).largest.value);
  EXPECT_NE(first.largest.value, lanczos(a, Generator(23), options).largest.value);
}

TEST(Lanczos, RejectsWhatItCannotDo) {
  MatrixOperator a(Eigen::MatrixXd::Identity(4, 4));
  EXPECT_THROW(lanczos(a, Generator(24), {.max_iterations = 0}), UsageError);
  Eigen::MatrixXd bad = Eigen::MatrixXd::Identity(4, 4);
  bad(2, 3) = std::numeric_limits<double>::quiet_NaN();
  MatrixOperator broken(bad);
  EXPECT_THROW(lanczos(broken, Generator(25)), Error);
}

TEST(Lanczos, WritesItsPartOfTheResults) {
  LanczosResult result;
  result.largest = {.value = 2.5, .residual = 0.25};
  result.iterations = 7;
  EXPECT_EQ(to_json(result),
            nlohmann::json(
                {{"value", 2.5}, {"residual", 0.25}, {"iterations", 7}, {"converged", false}}));
}

}  // namespace
}  // namespace switchyard
