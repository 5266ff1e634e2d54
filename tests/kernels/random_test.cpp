#include "kernels/api/random.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <numeric>
#include <type_traits>
#include <vector>

#include "kernels/api/run.h"
#include "kernels/common/philox.h"
#include "kernels/cpu/parallel.h"

namespace switchyard::kernels {
namespace {

constexpr RandomStretch kStretch{.seed = 42, .offset = 7};

/// Returns what one rung draws.
template <class Op, class T = std::remove_pointer_t<decltype(Op::y)>>
std::vector<T> drawn(const Rung<Cpu, Op>& rung, std::int64_t count,
                     RandomStretch stretch = kStretch) {
  std::vector<T> values(static_cast<std::size_t>(count), static_cast<T>(NAN));
  Cpu executor;
  run_rung(executor, rung, Op{.y = values.data(), .count = count, .stretch = stretch});
  return values;
}

/// Returns what one rung makes of x with kStretch.
template <class T>
std::vector<T> dropped(const Rung<Cpu, Dropout<T>>& rung, const std::vector<T>& x, double p) {
  std::vector<T> y(x.size(), static_cast<T>(NAN));
  Cpu executor;
  run_rung(executor, rung,
           Dropout<T>{.x = x.data(),
                      .y = y.data(),
                      .count = static_cast<std::int64_t>(x.size()),
                      .p = p,
                      .stretch = kStretch});
  return y;
}

double mean_of_power(const std::vector<float>& values, int power) {
  double sum = 0;
  for (const float v : values) sum += std::pow(static_cast<double>(v), power);
  return sum / static_cast<double>(values.size());
}

TEST(Philox, MatchesThePublishedKnownAnswer) {
  // Random123 distribution, kat_vectors: philox4x32-10 with zero counter and key.
  const RandomBlock block = philox(0, 0);
  EXPECT_EQ(block.word[0], 0x6627e8d5U);
  EXPECT_EQ(block.word[1], 0xe169c58dU);
  EXPECT_EQ(block.word[2], 0xbc57ac4cU);
  EXPECT_EQ(block.word[3], 0x9b00dbd8U);
}

TEST(RandomKernels, NormalHasTheMomentsOfTheNormalDistribution) {
  constexpr std::int64_t kCount = 400'001;  // not a multiple of the block
  for (const auto& rung : ladder<Cpu, RandomNormal<float>>()) {
    SCOPED_TRACE(rung.name);
    const auto x = drawn(rung, kCount);
    const double tolerance = 5.0 / std::sqrt(static_cast<double>(kCount));  // five standard errors
    EXPECT_NEAR(mean_of_power(x, 1), 0.0, tolerance);
    EXPECT_NEAR(mean_of_power(x, 2), 1.0, std::sqrt(2.0) * tolerance);
    EXPECT_NEAR(mean_of_power(x, 3), 0.0, std::sqrt(15.0) * tolerance);
    EXPECT_NEAR(mean_of_power(x, 4), 3.0, std::sqrt(96.0) * tolerance);
  }
}

TEST(RandomKernels, UniformFillsTheUnitInterval) {
  constexpr std::int64_t kCount = 400'003;
  for (const auto& rung : ladder<Cpu, RandomUniform<float>>()) {
    SCOPED_TRACE(rung.name);
    const auto x = drawn(rung, kCount);
    const double tolerance = 5.0 / std::sqrt(12.0 * static_cast<double>(kCount));
    EXPECT_NEAR(mean_of_power(x, 1), 0.5, tolerance);
    EXPECT_NEAR(mean_of_power(x, 2), 1.0 / 3.0, 2 * tolerance);
    for (const float v : x) ASSERT_TRUE(v >= 0.0F && v < 1.0F) << v;
  }
}

TEST(RandomKernels, SignsAreBalanced) {
  constexpr std::int64_t kCount = 100'000;
  for (const auto& rung : ladder<Cpu, RandomSign<float>>()) {
    SCOPED_TRACE(rung.name);
    const auto x = drawn(rung, kCount);
    for (const float v : x) ASSERT_TRUE(v == 1.0F || v == -1.0F) << v;
    EXPECT_NEAR(mean_of_power(x, 1), 0.0, 5.0 / std::sqrt(static_cast<double>(kCount)));
  }
}

TEST(RandomKernels, NumbersDependOnTheStretchAlone) {
  constexpr std::int64_t kCount = 100'003;
  std::vector<float> first;
  for (const auto& rung : ladder<Cpu, RandomNormal<float>>()) {
    SCOPED_TRACE(rung.name);
    const int threads = thread_count();
    set_thread_count(1);
    const auto one = drawn(rung, kCount);
    set_thread_count(3);
    const auto three = drawn(rung, kCount);
    set_thread_count(threads);
    EXPECT_EQ(one, three);
    if (first.empty()) first = one;
    EXPECT_EQ(one, first) << "the rungs differ";

    // A stretch that starts two blocks later continues the same stream.
    const auto later = drawn(rung, kCount, {.seed = kStretch.seed, .offset = kStretch.offset + 2});
    EXPECT_EQ(one[8], later[0]);
    const auto other = drawn(rung, kCount, {.seed = kStretch.seed + 1, .offset = kStretch.offset});
    EXPECT_NE(one, other);
  }
}

TEST(RandomKernels, DropoutKeepsTheExpectedShareAndScalesIt) {
  constexpr std::int64_t kCount = 200'001;
  constexpr double kDrop = 0.3;
  const auto doubles = ladder<Cpu, Dropout<double>>();
  const auto singles = ladder<Cpu, Dropout<float>>();
  ASSERT_EQ(doubles.size(), singles.size());
  for (std::size_t rung = 0; rung < doubles.size(); ++rung) {
    SCOPED_TRACE(doubles[rung].name);
    const auto y = dropped(doubles[rung], std::vector<double>(kCount, 1.0), kDrop);
    std::int64_t kept = 0;
    for (const double v : y) {
      ASSERT_TRUE(v == 0.0 || v == 1.0 / (1.0 - kDrop)) << v;
      kept += v != 0.0 ? 1 : 0;
    }
    const double deviation = std::sqrt(kDrop * (1 - kDrop) / static_cast<double>(kCount));
    EXPECT_NEAR(static_cast<double>(kept) / static_cast<double>(kCount), 1 - kDrop, 5 * deviation);

    const auto single = dropped(singles[rung], std::vector<float>(kCount, 1.0F), kDrop);
    for (std::size_t i = 0; i < y.size(); ++i) ASSERT_EQ(y[i] == 0.0, single[i] == 0.0F) << i;
  }
}

TEST(RandomKernels, ZeroProbabilityKeepsEverything) {
  const std::vector<float> x = {1.0F, -2.0F, 3.0F, 4.0F, 5.0F};
  for (const auto& rung : ladder<Cpu, Dropout<float>>()) {
    EXPECT_EQ(dropped(rung, x, 0.0), x) << rung.name;
  }
}

}  // namespace
}  // namespace switchyard::kernels
