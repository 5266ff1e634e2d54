#include "analysis/perturbation.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <cstring>
#include <limits>

#include "analysis/curvature/vectors.h"
#include "engine/core/check.h"

namespace switchyard {
namespace {

/// θ as a "convolution" [3, 2, 2, 2], a "linear weight" [2, 5] with a row of zeros, and a bias.
std::vector<Tensor> make_parameters(DType dtype) {
  Generator random(1);
  std::vector<Tensor> parameters;
  for (const Shape& shape : {Shape{3, 2, 2, 2}, Shape{2, 5}, Shape{4}}) {
    parameters.push_back(Tensor::empty(shape, dtype));
  }
  parameters = random_normal_like(parameters, random);
  dispatch_floating(dtype, "test", [&]<class T>() {
    std::fill_n(parameters[1].data<T>(), 5, T{0});
    parameters[2].data<T>()[0] = static_cast<T>(-0.0);  // restored bit for bit, sign included
    parameters[2].data<T>()[1] = std::numeric_limits<T>::denorm_min();
  });
  return parameters;
}

bool same_bits(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    const bool same = dispatch_floating(a[i].dtype(), "test", [&]<class T>() {
      return std::memcmp(a[i].data<T>(), b[i].data<T>(), a[i].bytes()) == 0;
    });
    if (!same) return false;
  }
  return true;
}

/// ½ Σ cᵢ θᵢ² with c = 1, 2, 3 per tensor: the Hessian is c on each tensor's block.
double quadratic(const std::vector<Tensor>& parameters) {
  double loss = 0.0;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const std::span one(&parameters[i], 1);
    loss += 0.5 * static_cast<double>(i + 1) * dot(one, one);
  }
  return loss;
}

TEST(Perturbation, FollowsAQuadraticExactly) {
  const std::vector<Tensor> parameters = make_parameters(DType::kFloat64);
  const std::vector<Tensor> before = copy_of(parameters);
  // This is a unit eigenvector of eigenvalue 2, in the second block.
  std::vector<Tensor> eigenvector = zeros_like(parameters);
  eigenvector[1].fill(1.0);
  normalise(eigenvector);
  const std::vector<double> alphas = symmetric_alphas(2.0, 9);
  const double slope = 2.0 * dot(parameters, eigenvector);
  const std::vector<double> losses =
      loss_along(parameters, eigenvector, alphas, [&] { return quadratic(parameters); });
  ASSERT_EQ(losses.size(), 9u);
  for (std::size_t i = 0; i < losses.size(); ++i) {
    const double a = alphas[i];
    EXPECT_NEAR(losses[i], quadratic(before) + slope * a + 0.5 * 2.0 * a * a, 1e-13);
  }
  EXPECT_EQ(losses[4], quadratic(before));  // alpha = 0 moves nothing
  EXPECT_TRUE(same_bits(parameters, before));
}

TEST(Perturbation, RestoresTheParametersBitForBit) {
  for (DType dtype : {DType::kFloat32, DType::kFloat64}) {
    const std::vector<Tensor> parameters = make_parameters(dtype);
    const std::vector<Tensor> before = copy_of(parameters);
    int calls = 0;
    const auto failing = [&] {
      EXPECT_FALSE(same_bits(parameters, before));
      if (++calls == 3) throw Error("the loss failed");
      return 0.0;
    };
    const std::vector<Tensor> d = random_direction(parameters, Normalisation::kNone, Generator(2));
    EXPECT_THROW(loss_along(parameters, d, std::vector{-2.0, -1.0, 1.0, 2.0}, failing), Error);
    EXPECT_EQ(calls, 3);
    EXPECT_TRUE(same_bits(parameters, before));
  }
}

TEST(Perturbation, MovesFromTheSavedPointEachTime) {
  const std::vector<Tensor> parameters = make_parameters(DType::kFloat32);
  const std::vector<Tensor> d = random_direction(parameters, Normalisation::kNone, Generator(3));
  std::vector<Tensor> once, again;
  {
    ParameterGuard guard(parameters);
    guard.move_to(0.3, d);
    once = copy_of(parameters);
    for (double alpha : {5.0, -7.0, 0.3}) guard.move_to(alpha, d);
    again = copy_of(parameters);
  }
  EXPECT_TRUE(same_bits(once, again));
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

TEST(Perturbation, HoldsZeroAmongItsSteps) {
  EXPECT_EQ(symmetric_alphas(1.0, 5), (std::vector{-1.0, -0.5, 0.0, 0.5, 1.0}));
  EXPECT_EQ(symmetric_alphas(3.0, 1), std::vector{0.0});
  for (int points : {0, -1, 4}) EXPECT_THROW(symmetric_alphas(1.0, points), UsageError);
  for (double limit : {0.0, -1.0, std::numeric_limits<double>::infinity()}) {
    EXPECT_THROW(symmetric_alphas(limit, 3), UsageError);
  }
}

TEST(Perturbation, DrawsEveryCurveOfBothSubsets) {
  const std::vector<Tensor> parameters = make_parameters(DType::kFloat64);
  const SubsetLosses losses{[&] { return quadratic(parameters); },
                            [&] { return 10.0 + quadratic(parameters); }};
  const std::vector<Tensor> eigenvector =
      random_direction(parameters, Normalisation::kNone, Generator(7));
  const PerturbationOptions options{
      .eigenvector_limit = 0.5, .random_limit = 2.0, .points = 3, .random_directions = 2};
  const PerturbationResult result = perturbation(parameters, losses, 1.5, eigenvector, options);
  const nlohmann::json json = to_json(result);
  EXPECT_EQ(json["eigenvector"]["eigenvalue"], 1.5);
  EXPECT_EQ(json["eigenvector"]["alphas"], (std::vector{-0.5, 0.0, 0.5}));
  ASSERT_EQ(json["random"].size(), 4u);
  EXPECT_EQ(json["random"][1]["normalisation"], "none");
  EXPECT_EQ(json["random"][3]["normalisation"], "filter");
  EXPECT_EQ(json["random"][3]["seed"], 2);
  EXPECT_EQ(json["random"][3]["alphas"], (std::vector{-2.0, 0.0, 2.0}));
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(result.random[1].curve.test[i], 10.0 + result.random[1].curve.train[i], 1e-12);
  }
  EXPECT_NE(result.random[0].curve.train[0], result.random[1].curve.train[0]);
}

TEST(Perturbation, LeavesTheEigenvectorOutWhereThereIsNone) {
  const std::vector<Tensor> parameters = make_parameters(DType::kFloat64);
  const auto loss = [&] { return quadratic(parameters); };
  const nlohmann::json json = to_json(
      perturbation(parameters, {loss, loss}, 0.0, {}, {.points = 3, .random_directions = 1}));
  EXPECT_FALSE(json.contains("eigenvector"));
  EXPECT_EQ(json["random"].size(), 2u);
}

}  // namespace
}  // namespace switchyard
