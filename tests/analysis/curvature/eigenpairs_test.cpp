#include "analysis/curvature/eigenpairs.h"

#include <gtest/gtest.h>

#include <Eigen/Eigenvalues>
#include <nlohmann/json.hpp>

#include "analysis/curvature/curvature_kind.h"
#include "analysis/curvature/vectors.h"
#include "tests/analysis/curvature/grouped_operator.h"
#include "tests/analysis/curvature/matrix_operator.h"
#include "tests/analysis/curvature/tiny_head.h"

namespace switchyard {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

VectorXd bulk(Eigen::Index n) { return VectorXd::LinSpaced(n, -1.0, 1.0); }

std::vector<double> values_of(const EigenpairResult& result) {
  std::vector<double> values;
  for (const EigenPair& pair : result.pairs) values.push_back(pair.value);
  return values;
}

void expect_values(const EigenpairResult& result, const std::vector<double>& expected,
                   double tolerance) {
  ASSERT_EQ(result.pairs.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(result.pairs[i].value, expected[i], tolerance) << i;
  }
}

TEST(Eigenpairs, FindsSeveralAtEitherEnd) {
  VectorXd spectrum = bulk(100);
  spectrum.head(3) << -9.0, -6.0, -5.0;
  spectrum.tail(4) << 3.0, 4.0, 5.5, 8.0;
  MatrixOperator a(matrix_with_spectrum(spectrum, 1));
  EigenpairOptions options{.count = 4, .tolerance = 1e-9};
  const EigenpairResult top = eigenpairs(a, Generator(1), options);
  EXPECT_TRUE(top.converged);
  expect_values(top, {8.0, 5.5, 4.0, 3.0}, 1e-11);
  options.count = 3;
  options.end = SpectrumEnd::kSmallest;
  const EigenpairResult bottom = eigenpairs(a, Generator(2), options);
  EXPECT_TRUE(bottom.converged);
  expect_values(bottom, {-9.0, -6.0, -5.0}, 1e-11);
}

TEST(Eigenpairs, HasOrthonormalVectorsWithTheirTrueResiduals) {
  VectorXd spectrum = bulk(80);
  spectrum.tail(3) << 2.0, 2.5, 4.0;
  MatrixOperator a(matrix_with_spectrum(spectrum, 2));
  const EigenpairResult result =
      eigenpairs(a, Generator(3), {.count = 3, .max_iterations = 12, .tolerance = 1e-12});
  EXPECT_FALSE(result.converged);  // 12 products do not suffice for that
  for (const EigenPair& pair : result.pairs) {
    ParameterVector rest = a.apply(pair.vector);
    axpy(-pair.value, pair.vector, rest);
    EXPECT_NEAR(norm(rest), pair.residual, 1e-13);
    EXPECT_EQ(pair.error.iteration, pair.residual);
    EXPECT_NEAR(norm(pair.vector), 1.0, 1e-13);
  }
  EXPECT_NEAR(dot(result.pairs[0].vector, result.pairs[1].vector), 0.0, 1e-13);
}

TEST(Eigenpairs, CountsMultipleEigenvaluesAsOftenAsTheyAreThere) {
  // A Krylov space holds one vector of each eigenspace only.
  VectorXd spectrum = bulk(60);
  spectrum.tail(5) << 3.0, 7.0, 7.0, 7.0, 9.0;
  MatrixOperator a(matrix_with_spectrum(spectrum, 3));
  const EigenpairResult result = eigenpairs(a, Generator(4), {.count = 5, .tolerance = 1e-9});
  EXPECT_TRUE(result.converged);
  expect_values(result, {9.0, 7.0, 7.0, 7.0, 3.0}, 1e-10);
}

/// diag(low, ..., low, high, ..., high): `high` in half a million dimensions, without a matrix.
class TwoValues : public SymmetricOperator {
 public:
  TwoValues(double low, double high) : low_(low), high_(high) {}
  std::span<const Tensor> like() const override { return like_; }
  Products apply_block(std::span<const ParameterVector> v) override {
    Products result;
    for (const ParameterVector& x : v) {
      result.vectors.push_back(copy_of(x));
      scale(std::span(result.vectors.back()).first(1), low_);
      scale(std::span(result.vectors.back()).last(1), high_);
    }
    return result;
  }

 private:
  double low_, high_;
  std::vector<Tensor> like_ = {Tensor::empty({500'000}, DType::kFloat64),
                               Tensor::empty({500'000}, DType::kFloat64)};
};

TEST(Eigenpairs, FindsAnEigenvalueOfHugeMultiplicityAsOftenAsAskedFor) {
  TwoValues a(-4.0, 1.0);
  const EigenpairResult top = eigenpairs(a, Generator(5), {.count = 3});
  EXPECT_TRUE(top.converged);
  expect_values(top, {1.0, 1.0, 1.0}, 4e-3);
  const EigenpairResult bottom =
      eigenpairs(a, Generator(6), {.count = 2, .end = SpectrumEnd::kSmallest});
  EXPECT_TRUE(bottom.converged);
  expect_values(bottom, {-4.0, -4.0}, 4e-3);
}

TEST(Eigenpairs, DoesNotTakeOneEndForTheOther) {
  // The negative end is a hundred times as far out: it converges first.
  VectorXd spectrum = bulk(90);
  spectrum.head(2) << -200.0, -150.0;
  spectrum.tail(2) << 1.5, 2.0;
  MatrixOperator a(matrix_with_spectrum(spectrum, 4));
  const EigenpairResult result = eigenpairs(a, Generator(7), {.count = 2, .tolerance = 1e-8});
  EXPECT_TRUE(result.converged);
  expect_values(result, {2.0, 1.5}, 1e-8);
}

TEST(Eigenpairs, WorksAtAnyScaleAndOnAllOfTheSpectrum) {
  const MatrixXd matrix = matrix_with_spectrum(bulk(12), 5);
  for (const double scale : {1e-200, 1.0, 1e200}) {
    MatrixOperator a(matrix * scale);
    const EigenpairResult all = eigenpairs(a, Generator(8), {.count = 12, .tolerance = 1e-10});
    EXPECT_TRUE(all.converged) << scale;
    ASSERT_EQ(all.pairs.size(), 12u);
    for (int i = 0; i < 12; ++i) {
      EXPECT_NEAR(all.pairs[static_cast<std::size_t>(i)].value / scale, 1.0 - 2.0 * i / 11.0, 1e-9);
    }
  }
}

TEST(Eigenpairs, TakesTheDataErrorFromTheGroups) {
  std::vector<MatrixXd> groups;
  for (const double value : {4.0, 5.0, 9.0}) {
    groups.push_back(VectorXd(VectorXd::LinSpaced(6, 0.0, value)).asDiagonal());
  }
  GroupedOperator a(groups);
  const EigenpairResult result = eigenpairs(a, Generator(9), {.tolerance = 1e-10});
  EXPECT_NEAR(result.pairs[0].value, 6.0, 1e-12);
  EXPECT_NEAR(result.pairs[0].error.data.value, std::sqrt((4.0 + 1.0 + 9.0) / 2.0 / 3.0), 1e-9);
  EXPECT_EQ(result.pairs[0].error.probe.value, 0.0);
}

TEST(Eigenpairs, StopsWhereItsWatchSaysSo) {
  MatrixOperator a(matrix_with_spectrum(bulk(60), 6));
  int seen = 0;
  const EigenpairResult result = eigenpairs(
      a, Generator(10),
      {.count = 2, .tolerance = 1e-12, .watch = [&](const auto&) { return ++seen < 5; }});
  EXPECT_EQ(seen, 5);
  EXPECT_FALSE(result.converged);
  ASSERT_EQ(result.pairs.size(), 2u);
  EXPECT_GT(result.pairs[0].residual, 1e-6);
}

class HeadSpectra : public testing::TestWithParam<std::string> {};

TEST_P(HeadSpectra, AgreeWithTheDenseMatrix) {
  TinyHead tiny(GetParam(), 15);
  for (const std::string& kind : curvature_kind_names()) {
    const Operator a =
        curvature_operator(parse_curvature_kind(kind), tiny.parameters, tiny.terms({8, 15}));
    const VectorXd dense = Eigen::SelfAdjointEigenSolver<MatrixXd>(dense_matrix(*a)).eigenvalues();
    const EigenpairResult top =
        eigenpairs(*a, Generator(11), {.count = 3, .max_iterations = 150, .tolerance = 1e-9});
    EXPECT_TRUE(top.converged) << kind;
    const double norm = dense.cwiseAbs().maxCoeff();
    for (int i = 0; i < 3; ++i) {
      EXPECT_NEAR(values_of(top)[static_cast<std::size_t>(i)], dense[dense.size() - 1 - i],
                  1e-8 * norm)
          << kind;
    }
    const EigenpairResult bottom =
        eigenpairs(*a, Generator(12),
                   {.end = SpectrumEnd::kSmallest, .max_iterations = 150, .tolerance = 1e-9});
    EXPECT_NEAR(bottom.pairs[0].value, dense[0], 1e-8 * norm) << kind;
  }
}

INSTANTIATE_TEST_SUITE_P(Heads, HeadSpectra,
                         testing::Values("dense", "soft_moe", "sparse_moe", "hard_moe"));

TEST(Eigenpairs, RejectsWhatItCannotDo) {
  MatrixOperator a(MatrixXd::Identity(4, 4));
  EXPECT_THROW(eigenpairs(a, Generator(1), {.count = 5}), UsageError);
  EXPECT_THROW(eigenpairs(a, Generator(1), {.count = 0}), UsageError);
  EXPECT_THROW(eigenpairs(a, Generator(1), {.max_iterations = 0}), UsageError);
}

TEST(PrincipalAngles, AreThoseOfRotatedPlanes) {
  const auto vector = [](const VectorXd& x) {
    return ParameterVector{Tensor::from({4}, std::span<const double>(x.data(), 4))};
  };
  const double angle = 0.3;
  VectorXd tilted = std::cos(angle) * VectorXd::Unit(4, 1) + std::sin(angle) * VectorXd::Unit(4, 2);
  const std::vector<double> cosines =
      principal_cosines({vector(VectorXd::Unit(4, 0)), vector(VectorXd::Unit(4, 1))},
                        {vector(tilted), vector(VectorXd::Unit(4, 0))});
  ASSERT_EQ(cosines.size(), 2u);
  EXPECT_NEAR(cosines[0], 1.0, 1e-15);
  EXPECT_NEAR(cosines[1], std::cos(angle), 1e-15);
}

}  // namespace
}  // namespace switchyard
