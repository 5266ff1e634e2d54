#include "models/balance.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "engine/autograd/gradcheck.h"
#include "engine/ops/routing.h"
#include "engine/ops/softmax.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard {
namespace {

using test::random_tensor;

constexpr std::int64_t kSamples = 7;
constexpr std::int64_t kExperts = 5;

Tensor some_logits() { return random_tensor({kSamples, kExperts}, 11); }

/// First and second derivative of `f` at `inputs`.
void expect_derivatives(const TensorFunction& f, const std::vector<Tensor>& inputs) {
  for (const int order : {1, 2}) {
    const GradcheckResult result = gradcheck(f, inputs, {.order = order, .step = 1e-4});
    EXPECT_LT(result.error, 1e-6) << "order " << order << ", " << result.worst;
  }
}

TEST(Balance, ImportanceIsVarianceOverSquaredMean) {
  // Column sums 4, 2, 0: mean 2, biased variance 8/3.
  const Tensor p = Tensor::from<double>({2, 3}, {1.0, 2.0, 0.0, 3.0, 0.0, 0.0});
  EXPECT_NEAR(importance_cv2(p).item(), 8.0 / 3.0 / 4.0, 1e-7);
  // The published epsilon is added to every expert's importance.
  const double m = 2.0 + 1e-8;
  EXPECT_NEAR(importance_cv2(p).item(), 8.0 / 3.0 / (m * m), 1e-15);
  expect_derivatives([](std::span<const Tensor> x) { return importance_cv2(softmax(x[0])); },
                     {some_logits()});
}

TEST(Balance, LoadIsVarianceOverSquaredMean) {
  const Tensor load = Tensor::from<double>({4}, {1.0, 2.0, 3.0, 6.0});
  const double m = 3.0 + 1e-8;
  EXPECT_NEAR(load_cv2(load).item(), 14.0 / 4.0 / (m * m), 1e-15);
  expect_derivatives([](std::span<const Tensor> x) { return load_cv2(softmax(x[0])); },
                     {random_tensor({kExperts}, 3)});
}

TEST(Balance, PerfectBalanceCostsNothingAndPullsNowhere) {
  const Tensor even = Tensor::full({4, kExperts}, 0.2, DType::kFloat64);
  EXPECT_NEAR(importance_cv2(even).item(), 0.0, 1e-30);
  EXPECT_NEAR(uniform_kl(even).item(), 0.0, 1e-15);
  const GradcheckResult result =
      gradcheck([](std::span<const Tensor> x) { return importance_cv2(x[0]); }, {even});
  EXPECT_LT(result.error, 1e-6);  // finite: the deviation's square root is never taken
}

TEST(Balance, UniformKlIsThePublishedForm) {
  const Tensor p = Tensor::from<double>({2, 3}, {0.5, 0.25, 0.25, 0.1, 0.9, 0.0});
  const double u = 1.0 / 3.0;
  const double kl = u * (3.0 * std::log(u) - std::log(0.3) - std::log(0.575) - std::log(0.125));
  EXPECT_NEAR(uniform_kl(p).item(), kl / 3.0, 1e-15);
  const Tensor never = Tensor::from<double>({1, 2}, {1.0, 0.0});  // log is clamped at 1e-8
  EXPECT_NEAR(uniform_kl(never).item(), 0.5 * (2.0 * std::log(0.5) - std::log(1e-8)) / 2.0, 1e-12);
  expect_derivatives([](std::span<const Tensor> x) { return uniform_kl(softmax(x[0])); },
                     {some_logits()});
}

TEST(Balance, SwitchLossMultipliesFractionAndProbability) {
  const Tensor p = Tensor::from<double>({2, 3}, {0.5, 0.3, 0.2, 0.1, 0.7, 0.2});
  const Tensor indices = Tensor::from<std::int64_t>({2, 2}, {0, 1, 1, 2});
  const double expected = 3.0 * (0.25 * 0.3 + 0.5 * 0.5 + 0.25 * 0.2);
  EXPECT_NEAR(switch_balance(p, indices).item(), expected, 1e-15);
  expect_derivatives(
      [](std::span<const Tensor> x) { return switch_balance(softmax(x[0]), top_k(x[0], 2)); },
      {some_logits()});
}

TEST(Balance, RouterZIsTheMeanSquaredLogSum) {
  const Tensor logits = some_logits();
  double expected = 0.0;
  for (std::int64_t n = 0; n < kSamples; ++n) {
    double total = 0.0;
    for (std::int64_t e = 0; e < kExperts; ++e) {
      total += std::exp(logits.data<double>()[n * kExperts + e]);
    }
    expected += std::log(total) * std::log(total) / static_cast<double>(kSamples);
  }
  EXPECT_NEAR(router_z(logits).item(), expected, 1e-13);
  expect_derivatives([](std::span<const Tensor> x) { return router_z(x[0]); }, {logits});
}

TEST(Balance, RouterZDoesNotOverflow) {
  const Tensor large = Tensor::full({1, 2}, 1000.0, DType::kFloat64);
  EXPECT_NEAR(router_z(large).item(), std::pow(1000.0 + std::log(2.0), 2), 1e-6);
}

TEST(Balance, SmoothLoadIsTheChanceToBeChosen) {
  const Tensor clean = some_logits();
  const Tensor noisy = clean + random_tensor(clean.shape(), 12);
  const Tensor deviation = softmax(random_tensor(clean.shape(), 13)) + 0.3;
  for (const std::int64_t k : {1, 2, 4}) {
    std::vector<double> expected(kExperts, 0.0);
    for (std::int64_t n = 0; n < kSamples; ++n) {
      for (std::int64_t e = 0; e < kExperts; ++e) {
        std::vector<double> others;
        for (std::int64_t o = 0; o < kExperts; ++o) {
          if (o != e) others.push_back(noisy.data<double>()[n * kExperts + o]);
        }
        std::sort(others.rbegin(), others.rend());
        const double z =
            (clean.data<double>()[n * kExperts + e] - others[static_cast<std::size_t>(k - 1)]) /
            deviation.data<double>()[n * kExperts + e];
        expected[static_cast<std::size_t>(e)] += 0.5 * std::erfc(-z / std::numbers::sqrt2);
      }
    }
    test::expect_close(smooth_load(clean, noisy, deviation, k), expected, 1e-12);
    expect_derivatives([&](std::span<const Tensor> x) { return smooth_load(x[0], x[1], x[2], k); },
                       {clean, noisy, deviation});
  }
}

TEST(Balance, WithAllExpertsChosenTheSmoothLoadIsEven) {
  const Tensor x = some_logits();
  const Tensor load = smooth_load(x, x, Tensor::full(x.shape(), 1.0, DType::kFloat64), kExperts);
  EXPECT_EQ(load.to_doubles(), std::vector<double>(kExperts, static_cast<double>(kSamples)));
  EXPECT_EQ(load_cv2(load).item(), 0.0);
}

TEST(Balance, CountsAssignmentsOfEmptyExpertsToo) {
  const Tensor indices = Tensor::from<std::int64_t>({3, 2}, {0, 3, 3, 0, 3, 1});
  EXPECT_EQ(assignment_counts(indices, 5, DType::kFloat32).to_doubles(),
            std::vector<double>({2.0, 1.0, 0.0, 3.0, 0.0}));
  test::expect_error([&] { assignment_counts(indices, 3, DType::kFloat32); }, "3");
}

/// With two experts and one choice, P = Φ((clean - other) / deviation). Beyond eight deviations
/// 1 + erf has no digits left in float64, beyond five none in float32.
TEST(Balance, SmoothLoadKeepsTheDigitsOfSmallProbabilities) {
  for (const DType dtype : {DType::kFloat32, DType::kFloat64}) {
    for (const double z : {-1.0, -4.0, -5.5, -8.0, -12.0}) {
      const Tensor logits = Tensor::from<double>({1, 2}, {z, 0.0}).to(dtype);
      const Tensor ones = Tensor::full({1, 2}, 1.0, dtype);
      const double load = smooth_load(logits, logits, ones, 1).to_doubles()[0];
      const long double exact = 0.5L * std::erfc(-z / std::numbers::sqrt2_v<long double>);
      EXPECT_NEAR(static_cast<double>(load / exact), 1.0, dtype == DType::kFloat32 ? 1e-6 : 1e-14)
          << z;
    }
  }
}

}  // namespace
}  // namespace switchyard
