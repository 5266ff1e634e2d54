#include "engine/nn/init.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>

#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard {
namespace {

/// Kolmogorov-Smirnov statistic times sqrt(n): above 1.95 with probability 0.001.
double ks_statistic(const Tensor& sample, const std::function<double(double)>& distribution) {
  std::vector<double> values = sample.to_doubles();
  std::sort(values.begin(), values.end());
  const auto n = static_cast<double>(values.size());
  double largest = 0.0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double f = distribution(values[i]);
    const auto below = static_cast<double>(i);
    largest = std::max({largest, f - below / n, (below + 1.0) / n - f});
  }
  return largest * std::sqrt(n);
}

TEST(Init, DefaultIsUniformWithinOneOverRootFanIn) {
  Generator random(1);
  const double bound = 1.0 / std::sqrt(27.0);
  const Tensor w = nn::default_init({64, 3, 3, 3}, 27, DType::kFloat32, random);
  EXPECT_EQ(w.shape(), Shape({64, 3, 3, 3}));
  for (const double value : w.to_doubles()) EXPECT_LE(std::abs(value), bound);
  EXPECT_LT(ks_statistic(w, [&](double v) { return (v + bound) / (2.0 * bound); }), 1.95);
}

TEST(Init, KaimingNormalHasTheFanOutDeviation) {
  Generator random(2);
  const double deviation = std::sqrt(2.0 / (9.0 * 32.0));
  const Tensor w = nn::kaiming_normal_init({32, 3, 3, 16}, 9 * 32, DType::kFloat32, random);
  const auto normal = [&](double v) {
    return 0.5 * std::erfc(-v / deviation / std::numbers::sqrt2);
  };
  EXPECT_LT(ks_statistic(w, normal), 1.95);
}

TEST(Init, BothDtypesGetTheSameValues) {
  Generator a(3);
  Generator b(3);
  const Tensor single = nn::default_init({7, 5}, 5, DType::kFloat32, a);
  const Tensor wide = nn::default_init({7, 5}, 5, DType::kFloat64, b);
  test::expect_same_bits(single.to(DType::kFloat64), wide);
}

TEST(Init, SuccessiveDrawsAreIndependent) {
  Generator random(4);
  const auto draw = [&] {  // uniform on [-1, 1), of variance 1/3
    return nn::default_init({4096}, 1, DType::kFloat64, random).to_doubles();
  };
  const std::vector<double> a = draw();
  const std::vector<double> b = draw();
  double correlation = 0.0;  // of unit variances: normal with deviation 1/64
  for (std::size_t i = 0; i < a.size(); ++i) correlation += 3.0 * a[i] * b[i] / 4096.0;
  EXPECT_LT(std::abs(correlation), 4.0 / 64.0);
}

TEST(Init, RejectsAnEmptyFan) {
  Generator random(5);
  test::expect_error([&] { nn::default_init({2, 0}, 0, DType::kFloat32, random); }, "fan_in");
  test::expect_error(
      [&] {
        nn::kaiming_normal_init({0, 2}, 0, DType::kFloat32, random);
      },
      "fan_out");
}

}  // namespace
}  // namespace switchyard
