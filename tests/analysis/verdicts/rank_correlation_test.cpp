#include "analysis/verdicts/rank_correlation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "tests/support/expect_error.h"

namespace switchyard::test {
namespace {

using Values = std::vector<double>;
using Blocks = std::vector<std::size_t>;

TEST(RankCorrelationTest, IsSpearmansByHand) {
  // Squared differences of ranks 1, 1, 1, 1, 0: 1 - 6 * 4 / (5 * 24).
  EXPECT_NEAR(rank_correlation(Values{1, 2, 3, 4, 5}, Values{20, 10, 40, 30, 50}), 0.8, 1e-15);
  EXPECT_NEAR(rank_correlation(Values{1, 2, 3}, Values{1, 10, 1e9}), 1.0, 1e-15);
  EXPECT_NEAR(rank_correlation(Values{1, 2, 3}, Values{0.3, 0.2, -7}), -1.0, 1e-15);
  // Ties share ranks, x: 1.5, 1.5, 3, 4 and y: 1, 2.5, 2.5, 4; centred products 3.75 of 4.5.
  EXPECT_NEAR(rank_correlation(Values{1, 1, 2, 3}, Values{5, 6, 6, 7}), 3.75 / 4.5, 1e-15);
  EXPECT_TRUE(std::isnan(rank_correlation(Values{2, 2, 2}, Values{1, 2, 3})));
}

TEST(RankTestTest, CountsTheOrdersOfOneBlock) {
  // Of the 24 orders of four values the extreme ones are two, and each of three swaps of
  // neighbours, at either end, comes next: correlation 0.8.
  const RankTest all = rank_test(Values{1, 2, 3, 4}, Values{1, 2, 3, 4}, Blocks(4, 7));
  EXPECT_NEAR(all.correlation, 1.0, 1e-15);
  EXPECT_NEAR(all.p_value, 2.0 / 24, 1e-15);
  EXPECT_NEAR(all.least_p, 2.0 / 24, 1e-15);
  EXPECT_TRUE(all.exact);
  const RankTest swapped = rank_test(Values{1, 2, 3, 4}, Values{1, 3, 2, 4}, Blocks(4, 0));
  EXPECT_NEAR(swapped.correlation, 0.8, 1e-15);
  EXPECT_NEAR(swapped.p_value, 8.0 / 24, 1e-15);
}

TEST(RankTestTest, PermutesWithinBlocksOnly) {
  // Three seeds of two models each: all three rise, which 2 of 2^3 orders do.
  const Values x = {1, 2, 1, 2, 1, 2};
  const RankTest rises = rank_test(x, Values{1, 2, 3, 4, 5, 6}, Blocks{1, 1, 2, 2, 3, 3});
  EXPECT_NEAR(rises.p_value, 0.25, 1e-15);
  EXPECT_NEAR(rises.least_p, 0.25, 1e-15);
  // One block of the same runs has 20 orders that differ in x, and many are as far.
  EXPECT_GT(rank_test(x, Values{1, 2, 3, 4, 5, 6}, Blocks(6, 0)).p_value, 0.25);
}

TEST(RankTestTest, TheDistanceIsThatFromTheMeanOverOrders) {
  // The second seed lacks the model of small x and is better in all: the correlation's mean over
  // orders is above zero. Neither seed shows a trend of its own.
  const RankTest test =
      rank_test(Values{1, 2, 3, 2, 3}, Values{2, 2, 2, 7, 7}, Blocks{1, 1, 1, 2, 2});
  EXPECT_GT(test.correlation, 0.2);
  EXPECT_NEAR(test.p_value, 1.0, 1e-15);
}

TEST(RankTestTest, RejectsAsOftenAsItSays) {
  std::mt19937_64 random(3);
  std::normal_distribution<double> normal;
  constexpr int kRepetitions = 4000;
  int rejected = 0;
  for (int i = 0; i < kRepetitions; ++i) {
    Values x, y;
    Blocks blocks;
    for (std::size_t seed = 0; seed < 3; ++seed) {
      const double shared = normal(random);
      for (int model = 0; model < 3; ++model) {
        x.push_back(model);
        y.push_back(shared + normal(random));
        blocks.push_back(seed);
      }
    }
    rejected += rank_test(x, y, blocks).p_value <= 0.05;
  }
  EXPECT_LE(rejected, 0.06 * kRepetitions);  // 0.05 at most, as whole orders allow; 3 deviations
  EXPECT_GE(rejected, 0.03 * kRepetitions);
}

TEST(RankTestTest, SamplesWhatIsTooMuchToCount) {
  Values x, y;
  for (int i = 0; i < 12; ++i) {
    x.push_back(i);
    y.push_back(i % 4 == 3 ? i - 3 : i);
  }
  const RankTest test = rank_test(x, y, Blocks(12, 0));
  EXPECT_FALSE(test.exact);
  EXPECT_GT(test.p_value, 0.0);
  EXPECT_LT(test.p_value, 0.01);
  EXPECT_EQ(rank_test(x, y, Blocks(12, 0)).p_value, test.p_value);
}

TEST(RankTestTest, SaysNothingOfConstantValues) {
  const RankTest test = rank_test(Values{1, 2, 3}, Values{4, 4, 4}, Blocks(3, 0));
  EXPECT_TRUE(std::isnan(test.correlation));
  EXPECT_EQ(test.p_value, 1.0);
  EXPECT_TRUE(std::isnan(rank_test({}, {}, {}).correlation));
}

TEST(RankTestTest, RefusesWhatHasNoRank) {
  const Values x = {1, 2, 3};
  expect_error([&] { rank_test(x, Values{1, 2}, Blocks(3, 0)); }, "3 values beside 2");
  expect_error([&] { rank_test(x, x, Blocks(2, 0)); }, "3 values in 2 blocks");
  const Values bad = {1, 2, std::numeric_limits<double>::quiet_NaN()};
  expect_error([&] { rank_correlation(x, bad); }, "a value is nan");
}

}  // namespace
}  // namespace switchyard::test
