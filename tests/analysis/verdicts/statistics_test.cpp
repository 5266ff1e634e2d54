#include "analysis/verdicts/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "engine/core/check.h"
#include "tests/support/expect_error.h"

namespace switchyard::test {
namespace {

TEST(SeedMeanTest, IsStudentsInterval) {
  const std::vector<double> values = {1, 2, 3, 4, 5};
  const SeedMean mean = seed_mean(values, 0.95);
  EXPECT_EQ(mean.count, 5u);
  EXPECT_DOUBLE_EQ(mean.mean, 3.0);
  EXPECT_NEAR(mean.deviation, std::sqrt(2.5), 1e-15);
  // Quantile of t with four degrees of freedom at 0.975, from tables: 2.776.
  EXPECT_NEAR(mean.high - mean.mean, 2.7764451 * std::sqrt(0.5), 1e-6);
  EXPECT_DOUBLE_EQ(mean.mean - mean.low, mean.high - mean.mean);
  EXPECT_NEAR(mean.p_value, 0.0132356, 1e-6);
}

TEST(SeedMeanTest, TheIntervalEndsAtZeroWhereThePValueIsItsLevel) {
  const std::vector<double> values = {0.3, -0.1, 0.4, 0.25};
  const double p = seed_mean(values, 0.95).p_value;
  EXPECT_NEAR(seed_mean(values, 1.0 - p).low, 0.0, 1e-12);
}

TEST(SeedMeanTest, CoversTheTruthAsOftenAsItSays) {
  std::mt19937_64 random(11);
  std::normal_distribution<double> normal(0.7, 2.0);
  constexpr int kRepetitions = 20'000;
  int covered = 0;
  for (int i = 0; i < kRepetitions; ++i) {
    std::vector<double> values(4);
    for (double& value : values) value = normal(random);
    const SeedMean mean = seed_mean(values, 0.9);
    covered += mean.low <= 0.7 && 0.7 <= mean.high;
  }
  EXPECT_NEAR(static_cast<double>(covered) / kRepetitions, 0.9, 0.01);  // 4.7 standard errors
}

TEST(SeedMeanTest, OneValueSaysNothingOfTheSpread) {
  const SeedMean mean = seed_mean(std::vector<double>{4.0}, 0.95);
  EXPECT_EQ(mean.mean, 4.0);
  EXPECT_TRUE(std::isnan(mean.deviation));
  EXPECT_EQ(mean.low, -std::numeric_limits<double>::infinity());
  EXPECT_EQ(mean.high, std::numeric_limits<double>::infinity());
  EXPECT_EQ(mean.p_value, 1.0);
}

TEST(SeedMeanTest, EqualValuesLeaveNoDoubt) {
  const SeedMean mean = seed_mean(std::vector<double>{2.0, 2.0}, 0.95);
  EXPECT_EQ(mean.low, 2.0);
  EXPECT_EQ(mean.high, 2.0);
  EXPECT_EQ(mean.p_value, 0.0);
  EXPECT_EQ(seed_mean(std::vector<double>{0.0, 0.0}, 0.95).p_value, 1.0);
}

TEST(SeedMeanTest, RefusesWhatHasNoMean) {
  EXPECT_NE(error_text([] { seed_mean({}, 0.95); }).find("no value"), std::string::npos);
  const std::vector<double> infinite = {1.0, INFINITY};
  EXPECT_NE(error_text([&] { seed_mean(infinite, 0.95); }).find("inf"), std::string::npos);
  const std::vector<double> values = {1.0, 2.0};
  for (const double level : {0.0, 1.0, -1.0, std::nan("")}) {
    EXPECT_THROW(seed_mean(values, level), UsageError) << level;
  }
}

}  // namespace
}  // namespace switchyard::test
