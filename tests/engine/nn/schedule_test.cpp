#include "engine/nn/schedule.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <numbers>

#include "tests/support/expect_error.h"

namespace switchyard {
namespace {

using nn::one_cycle_rate;
using nn::OneCycle;

TEST(MultiStep, DropsAfterEachMilestone) {
  const std::array<std::int64_t, 2> milestones = {30, 40};
  const auto rate = [&](std::int64_t epoch) {
    return nn::multi_step_rate(0.1, milestones, 0.1, epoch);
  };
  EXPECT_DOUBLE_EQ(rate(0), 0.1);
  EXPECT_DOUBLE_EQ(rate(29), 0.1);
  EXPECT_DOUBLE_EQ(rate(30), 0.01);
  EXPECT_DOUBLE_EQ(rate(39), 0.01);
  EXPECT_DOUBLE_EQ(rate(40), 0.001);
  EXPECT_DOUBLE_EQ(rate(49), 0.001);
}

// With 10 steps the warm-up ends at step 10·0.3 - 1 = 2 and the descent takes steps 3 to 9.
TEST(OneCycle, CosineIsPyTorchs) {
  const OneCycle cycle{.peak = 1.0, .steps = 10};
  const double last = 1.0 / 25.0 / 1e4;
  EXPECT_NEAR(one_cycle_rate(cycle, 0), 0.04, 1e-15);
  EXPECT_NEAR(one_cycle_rate(cycle, 1), 0.52, 1e-15);
  EXPECT_DOUBLE_EQ(one_cycle_rate(cycle, 2), 1.0);
  EXPECT_DOUBLE_EQ(one_cycle_rate(cycle, 5),
                   last + (1.0 - last) / 2.0 * (1.0 + std::cos(std::numbers::pi * 3.0 / 7.0)));
  EXPECT_NEAR(one_cycle_rate(cycle, 9), last, 1e-15);
}

TEST(OneCycle, LinearIsPiecewiseLinear) {
  const OneCycle cycle{.peak = 0.5,
                       .steps = 100,
                       .warmup_fraction = 0.2,
                       .start_divisor = 10.0,
                       .final_divisor = 100.0,
                       .anneal = nn::Anneal::kLinear};
  EXPECT_DOUBLE_EQ(one_cycle_rate(cycle, 0), 0.05);
  EXPECT_DOUBLE_EQ(one_cycle_rate(cycle, 19), 0.5);
  EXPECT_NEAR(one_cycle_rate(cycle, 99), 0.0005, 1e-15);
  const double down = one_cycle_rate(cycle, 20) - one_cycle_rate(cycle, 21);
  for (std::int64_t step = 21; step < 99; ++step) {
    EXPECT_NEAR(one_cycle_rate(cycle, step) - one_cycle_rate(cycle, step + 1), down, 1e-12);
  }
}

TEST(OneCycle, OneStepIsTheLast) {
  EXPECT_NEAR(one_cycle_rate({.peak = 1.0, .steps = 1}, 0), 4e-6, 1e-15);
}

TEST(OneCycle, RejectsWhatIsOutOfRange) {
  test::expect_error([] { one_cycle_rate({.steps = 10}, 10); }, "step 10 is outside [0, 10)");
  test::expect_error([] { one_cycle_rate({.steps = 10}, -1); }, "step -1");
  test::expect_error([] { one_cycle_rate({.steps = 0}, 0); }, "steps");
  test::expect_error([] { one_cycle_rate({.peak = 0.0}, 0); }, "peak");
  test::expect_error([] { one_cycle_rate({.warmup_fraction = 1.0}, 0); }, "warmup_fraction");
  test::expect_error([] { one_cycle_rate({.start_divisor = 0.5}, 0); }, "divisors");
}

}  // namespace
}  // namespace switchyard
