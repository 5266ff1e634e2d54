#include "kernels/common/bfloat16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace switchyard::kernels {
namespace {

float through(float value) { return static_cast<float>(BFloat16(value)); }

TEST(BFloat16, KeepsWhatFitsIntoSevenBits) {
  for (const float value :
       {0.0F, 1.0F, -1.0F, 1.5F, 255.0F, 0x1.FEp127F, 0x1.0p-126F, 0x1.0p-133F}) {
    EXPECT_EQ(through(value), value);
    EXPECT_EQ(through(-value), -value);
  }
  EXPECT_TRUE(std::signbit(through(-0.0F)));
}

TEST(BFloat16, RoundsToNearestTiesToEven) {
  EXPECT_EQ(through(1.0F + 0x1.0p-8F), 1.0F);               // half way, even below
  EXPECT_EQ(through(1.0F + 0x3.0p-8F), 1.0F + 0x1.0p-6F);   // half way, even above
  EXPECT_EQ(through(1.0F + 0x1.01p-8F), 1.0F + 0x1.0p-7F);  // just above half way
  EXPECT_EQ(through(-1.0F - 0x1.01p-8F), -1.0F - 0x1.0p-7F);
  EXPECT_EQ(through(1.0F + 0x0.FFp-8F), 1.0F);  // just below
}

TEST(BFloat16, OverflowsToInfinityAndKeepsNan) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(through(std::numeric_limits<float>::max()), kInfinity);
  EXPECT_EQ(through(kInfinity), kInfinity);
  EXPECT_EQ(through(-kInfinity), -kInfinity);
  EXPECT_TRUE(std::isnan(through(std::numeric_limits<float>::quiet_NaN())));
  // Payloads that rounding would carry away, or into the sign.
  EXPECT_TRUE(std::isnan(through(std::bit_cast<float>(0x7F800001U))));
  EXPECT_TRUE(std::isnan(through(std::bit_cast<float>(0x7FFFFFFFU))));
  EXPECT_TRUE(std::isnan(through(std::bit_cast<float>(0xFFFFFFFFU))));
}

TEST(BFloat16, NoOtherValueIsNearer) {
  std::mt19937 bits(7);
  for (int i = 0; i < 20000; ++i) {
    const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(bits()));
    if (!std::isfinite(value) || !std::isfinite(through(value))) continue;
    const BFloat16 rounded(value);
    const double error = std::abs(double{static_cast<float>(rounded)} - value);
    for (const int step : {-1, 1}) {
      BFloat16 other = rounded;
      other.bits = static_cast<std::uint16_t>(other.bits + step);
      if (!std::isfinite(static_cast<float>(other))) continue;
      ASSERT_LE(error, std::abs(double{static_cast<float>(other)} - value)) << value;
    }
  }
}

}  // namespace
}  // namespace switchyard::kernels
