#include "kernels/api/norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "kernels/api/run.h"
#include "kernels/cpu/parallel.h"

namespace switchyard::kernels {
namespace {

constexpr double kEpsilon = 1e-5;

template <class T>
std::vector<T> normal_values(std::size_t count, unsigned seed, double shift = 0.0) {
  std::mt19937 engine(seed);
  std::normal_distribution<double> normal;
  std::vector<T> values(count);
  for (T& v : values) v = static_cast<T>(normal(engine) + shift);
  return values;
}

template <class T>
std::vector<T> poisoned(std::size_t count) {
  return std::vector<T>(count, std::numeric_limits<T>::quiet_NaN());
}

template <class A, class B>
double relative_error(const std::vector<A>& got, const std::vector<B>& want) {
  double difference = 0;
  double size = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    difference += std::pow(static_cast<double>(got[i]) - static_cast<double>(want[i]), 2);
    size += std::pow(static_cast<double>(want[i]), 2);
  }
  return std::sqrt(difference / std::max(size, 1e-300));
}

struct Case {
  std::int64_t rows;
  std::int64_t channels;
  bool relu;
  bool residual;
};

/// Evaluates the textbook's formula in float64, one channel at a time.
struct Reference {
  std::vector<double> y, mean, variance, gx, ggamma, gbeta, gtail;

  template <class T>
  Reference(const Case& c, const std::vector<T>& x, const std::vector<T>& gamma,
            const std::vector<T>& beta, const std::vector<T>& residual, const std::vector<T>& gy)
      : y(x.size()), gx(x.size()), gtail(x.size()) {
    for (std::int64_t channel = 0; channel < c.channels; ++channel) {
      const auto at = [&](std::int64_t row) {
        return static_cast<std::size_t>(row * c.channels + channel);
      };
      const auto ch = static_cast<std::size_t>(channel);
      const auto n = static_cast<double>(c.rows);
      double sum = 0;
      for (std::int64_t r = 0; r < c.rows; ++r) sum += static_cast<double>(x[at(r)]);
      const double m = sum / n;
      double square = 0;
      for (std::int64_t r = 0; r < c.rows; ++r) {
        square += std::pow(static_cast<double>(x[at(r)]) - m, 2);
      }
      const double v = square / n;
      const double inverse = 1 / std::sqrt(v + kEpsilon);
      double sum_g = 0;
      double sum_gx = 0;
      for (std::int64_t r = 0; r < c.rows; ++r) {
        const double hat = (static_cast<double>(x[at(r)]) - m) * inverse;
        double value = hat * static_cast<double>(gamma[ch]) + static_cast<double>(beta[ch]);
        if (c.residual) value += static_cast<double>(residual[at(r)]);
        y[at(r)] = c.relu && value < 0 ? 0 : value;
        gtail[at(r)] = c.relu && value <= 0 ? 0 : static_cast<double>(gy[at(r)]);
        sum_g += gtail[at(r)];
        sum_gx += gtail[at(r)] * hat;
      }
      for (std::int64_t r = 0; r < c.rows; ++r) {
        const double hat = (static_cast<double>(x[at(r)]) - m) * inverse;
        gx[at(r)] = static_cast<double>(gamma[ch]) * inverse *
                    (gtail[at(r)] - sum_g / n - hat * sum_gx / n);
      }
      mean.push_back(m);
      variance.push_back(v);
      ggamma.push_back(sum_gx);
      gbeta.push_back(sum_g);
    }
  }
};

class BatchNormKernel : public testing::TestWithParam<Case> {
 protected:
  template <class T>
  void compare(double tolerance) {
    const Case c = GetParam();
    const auto n = static_cast<std::size_t>(c.rows * c.channels);
    const auto channels = static_cast<std::size_t>(c.channels);
    const auto x = normal_values<T>(n, 1, 0.5);
    const auto gamma = normal_values<T>(channels, 2, 1.0);
    const auto beta = normal_values<T>(channels, 3);
    const auto residual = normal_values<T>(n, 4);
    const auto gy = normal_values<T>(n, 5);
    const Reference want(c, x, gamma, beta, residual, gy);

    Cpu executor;
    auto y = poisoned<T>(n);
    auto mean = poisoned<T>(channels);
    auto variance = poisoned<T>(channels);
    for (const auto& rung : ladder<Cpu, BatchNormForward<T>>()) {
      SCOPED_TRACE(rung.name);
      y = poisoned<T>(n);
      mean = poisoned<T>(channels);
      variance = poisoned<T>(channels);
      run_rung(executor, rung,
               BatchNormForward<T>{.x = x.data(),
                                   .gamma = gamma.data(),
                                   .beta = beta.data(),
                                   .residual = c.residual ? residual.data() : nullptr,
                                   .relu = c.relu,
                                   .epsilon = kEpsilon,
                                   .y = y.data(),
                                   .mean = mean.data(),
                                   .variance = variance.data(),
                                   .rows = c.rows,
                                   .channels = c.channels});
      EXPECT_LE(relative_error(y, want.y), tolerance);
      EXPECT_LE(relative_error(mean, want.mean), tolerance);
      EXPECT_LE(relative_error(variance, want.variance), tolerance);
    }

    for (const auto& rung : ladder<Cpu, BatchNormBackward<T>>()) {
      SCOPED_TRACE(rung.name);
      auto gx = poisoned<T>(n);
      auto ggamma = poisoned<T>(channels);
      auto gbeta = poisoned<T>(channels);
      auto gtail = poisoned<T>(n);
      run_rung(executor, rung,
               BatchNormBackward<T>{.gy = gy.data(),
                                    .x = x.data(),
                                    .y = c.relu ? y.data() : nullptr,
                                    .gamma = gamma.data(),
                                    .mean = mean.data(),
                                    .variance = variance.data(),
                                    .epsilon = kEpsilon,
                                    .gx = gx.data(),
                                    .ggamma = ggamma.data(),
                                    .gbeta = gbeta.data(),
                                    .gtail = gtail.data(),
                                    .rows = c.rows,
                                    .channels = c.channels});
      EXPECT_LE(relative_error(gtail, want.gtail), tolerance);
      EXPECT_LE(relative_error(ggamma, want.ggamma), tolerance);
      EXPECT_LE(relative_error(gbeta, want.gbeta), tolerance);
      EXPECT_LE(relative_error(gx, want.gx), tolerance);
    }
  }
};

TEST_P(BatchNormKernel, Float64AgreesWithTheTextbook) { compare<double>(1e-10); }
TEST_P(BatchNormKernel, Float32AgreesWithTheTextbook) { compare<float>(1e-5); }

INSTANTIATE_TEST_SUITE_P(OddSizes, BatchNormKernel,
                         testing::Values(Case{5, 3, false, false}, Case{31, 1, true, false},
                                         Case{33, 127, true, true}, Case{1025, 31, false, true},
                                         Case{4099, 64, true, true}, Case{127, 512, true, false}));

TEST(ChannelKernels, AffineAgreesWithALoop) {
  constexpr std::int64_t kRows = 1031;
  constexpr std::int64_t kChannels = 33;
  constexpr auto kCount = static_cast<std::size_t>(kRows * kChannels);
  const auto x = normal_values<double>(kCount, 6);
  const auto scale = normal_values<double>(kChannels, 8);
  std::vector<double> scaled(kCount);
  for (std::size_t i = 0; i < kCount; ++i) {
    scaled[i] = x[i] * scale[i % kChannels];
  }
  Cpu executor;
  for (const auto& rung : ladder<Cpu, ChannelAffine<double>>()) {
    auto y = poisoned<double>(kCount);
    run_rung(executor, rung,
             ChannelAffine<double>{.x = x.data(),
                                   .scale = scale.data(),
                                   .y = y.data(),
                                   .rows = kRows,
                                   .channels = kChannels});
    EXPECT_LE(relative_error(y, scaled), 1e-15) << rung.name;
  }
}

TEST(ChannelKernels, ReluLetsNaNPass) {
  const std::vector<float> x = {NAN, -1.0F, 2.0F};
  const std::vector<float> one = {1.0F};
  Cpu executor;
  for (const auto& rung : ladder<Cpu, ChannelAffine<float>>()) {
    SCOPED_TRACE(rung.name);
    std::vector<float> y(3);
    run_rung(executor, rung,
             ChannelAffine<float>{.x = x.data(),
                                  .scale = one.data(),
                                  .relu = true,
                                  .y = y.data(),
                                  .rows = 3,
                                  .channels = 1});
    EXPECT_TRUE(std::isnan(y[0]));
    EXPECT_EQ(y[1], 0.0F);
    EXPECT_EQ(y[2], 2.0F);
  }
}

TEST(BatchNormKernelBits, DoNotDependOnTheThreadCount) {
  constexpr std::int64_t kRows = 5000;
  constexpr std::int64_t kChannels = 48;
  const auto x = normal_values<float>(kRows * kChannels, 9);
  const auto gamma = normal_values<float>(kChannels, 10);
  const int threads = thread_count();
  const auto statistics = [&](int count) {
    set_thread_count(count);
    Cpu executor;
    std::vector<float> y(x.size());
    std::vector<float> both(2 * kChannels);
    run(executor, BatchNormForward<float>{.x = x.data(),
                                          .gamma = gamma.data(),
                                          .beta = gamma.data(),
                                          .epsilon = kEpsilon,
                                          .y = y.data(),
                                          .mean = both.data(),
                                          .variance = both.data() + kChannels,
                                          .rows = kRows,
                                          .channels = kChannels});
    return both;
  };
  const auto one = statistics(1);
  const auto three = statistics(3);
  set_thread_count(threads);
  EXPECT_EQ(one, three);
}

}  // namespace
}  // namespace switchyard::kernels
