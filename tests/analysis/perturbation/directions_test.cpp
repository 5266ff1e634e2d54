#include "analysis/perturbation/directions.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "analysis/curvature/vectors.h"
#include "engine/core/check.h"
#include "tests/analysis/perturbation/parameters.h"
#include "tests/analysis/perturbation/quadratic.h"

namespace switchyard {
namespace {

TEST(Directions, HoldZeroAmongTheirSteps) {
  EXPECT_EQ(symmetric_alphas(1.0, 5), (std::vector{-1.0, -0.5, 0.0, 0.5, 1.0}));
  EXPECT_EQ(symmetric_alphas(3.0, 1), std::vector{0.0});
  for (int points : {0, -1, 4}) EXPECT_THROW(symmetric_alphas(1.0, points), UsageError);
  for (double limit : {0.0, -1.0, std::numeric_limits<double>::infinity()}) {
    EXPECT_THROW(symmetric_alphas(limit, 3), UsageError);
  }
}

TEST(RandomDirection, HasUnitNormWithoutFilters) {
  const std::vector<Tensor> parameters = make_parameters(DType::kFloat64);
  const std::vector<Tensor> d = random_direction(parameters, Normalisation::kNone, Generator(4));
  EXPECT_NEAR(norm(d), 1.0, 1e-14);
  EXPECT_GT(norm(std::span(&d[2], 1)), 0.0);  // biases move
  EXPECT_TRUE(same_bits(d, random_direction(parameters, Normalisation::kNone, Generator(4))));
  EXPECT_FALSE(same_bits(d, random_direction(parameters, Normalisation::kNone, Generator(5))));
}

TEST(RandomDirection, GivesEachFilterItsNorm) {
  for (DType dtype : {DType::kFloat32, DType::kFloat64}) {
    const std::vector<Tensor> parameters = make_parameters(dtype);
    const std::vector<Tensor> d =
        random_direction(parameters, Normalisation::kFilter, Generator(6));
    const double rounding = dtype == DType::kFloat32 ? 1e-6 : 1e-14;
    for (std::size_t i : {0u, 1u}) {
      const std::vector<double> w = parameters[i].to_doubles();
      const std::vector<double> x = d[i].to_doubles();
      const std::size_t width = w.size() / static_cast<std::size_t>(parameters[i].size(0));
      for (std::size_t begin = 0; begin < w.size(); begin += width) {
        double w2 = 0.0, x2 = 0.0;
        for (std::size_t j = begin; j < begin + width; ++j) {
          w2 += w[j] * w[j];
          x2 += x[j] * x[j];
        }
        EXPECT_NEAR(std::sqrt(x2), std::sqrt(w2), rounding * (1.0 + std::sqrt(w2)));
      }
    }
    EXPECT_EQ(norm(std::span(&d[2], 1)), 0.0);  // biases and batch norm stay
  }
}

TEST(Directions, PointUphill) {
  const std::vector<Tensor> gradient = vector_of({1.0, -2.0});
  for (const std::vector<double>& d : {std::vector{0.6, 0.8}, std::vector{-0.6, -0.8}}) {
    EXPECT_EQ(uphill(vector_of(d), gradient)[0].to_doubles(), (std::vector{-0.6, -0.8}));
  }
  // Where the gradient is orthogonal to it, a direction stays as it is.
  EXPECT_EQ(uphill(vector_of({2.0, 1.0}), gradient)[0].to_doubles(), (std::vector{2.0, 1.0}));
}

TEST(Directions, SpanAPlane) {
  const std::vector<Tensor> q = vector_of({0.6, 0.8, 0.0});
  const std::vector<Tensor> d = orthogonal_part(vector_of({1.0, 2.0, 3.0}), q);
  EXPECT_NEAR(norm(d), 1.0, 1e-15);
  EXPECT_NEAR(dot(d, q), 0.0, 1e-15);
  EXPECT_GT(dot(d, vector_of({1.0, 2.0, 3.0})), 0.0);
  EXPECT_TRUE(orthogonal_part(vector_of({1.2, 1.6, 1e-8}), q).empty());
  EXPECT_TRUE(orthogonal_part(vector_of({0.0, 0.0, 0.0}), q).empty());
}

}  // namespace
}  // namespace switchyard
