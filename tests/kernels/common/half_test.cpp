#include "kernels/common/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace switchyard::kernels {
namespace {

float through(float value) { return static_cast<float>(Half(value)); }

TEST(Half, EveryValueComesBack) {
  for (std::uint32_t bits = 0; bits <= 0xFFFFU; ++bits) {
    Half half;
    half.bits = static_cast<std::uint16_t>(bits);
    const auto value = static_cast<float>(half);
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(through(value))) << bits;
    } else {
      ASSERT_EQ(Half(value).bits, half.bits) << value;
    }
  }
}

TEST(Half, MeansWhatIeeeSays) {
  const auto of = [](std::uint16_t bits) {
    Half half;
    half.bits = bits;
    return static_cast<float>(half);
  };
  EXPECT_EQ(of(0x3C00), 1.0F);
  EXPECT_EQ(of(0xC000), -2.0F);
  EXPECT_EQ(of(0x7BFF), 65504.0F);
  EXPECT_EQ(of(0x0400), 0x1.0p-14F);  // least normal
  EXPECT_EQ(of(0x0001), 0x1.0p-24F);  // least subnormal
  EXPECT_EQ(of(0xFC00), -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::signbit(of(0x8000)));
}

TEST(Half, RoundsToNearestTiesToEven) {
  EXPECT_EQ(through(1.0F + 0x1.0p-11F), 1.0F);
  EXPECT_EQ(through(1.0F + 0x3.0p-11F), 1.0F + 0x1.0p-9F);
  EXPECT_EQ(through(1.0F + 0x1.01p-11F), 1.0F + 0x1.0p-10F);
  EXPECT_EQ(through(0x1.0p-25F), 0.0F);          // half of the least subnormal
  EXPECT_EQ(through(0x1.8p-24F), 0x1.0p-23F);    // half way, even above
  EXPECT_EQ(through(0x1.FFFp-15F), 0x1.0p-14F);  // up into the normal numbers
  EXPECT_EQ(through(65519.0F), 65504.0F);
  EXPECT_EQ(through(65520.0F), std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(through(std::bit_cast<float>(0xFF800001U))));
}

TEST(Half, NoOtherValueIsNearer) {
  std::mt19937 random(7);
  std::uniform_real_distribution<float> exponent(-26.0F, 16.0F);
  for (int i = 0; i < 20000; ++i) {
    const float value = std::exp2(exponent(random)) * (i % 2 == 0 ? 1.0F : -1.0F);
    const Half rounded(value);
    if (!std::isfinite(static_cast<float>(rounded))) continue;
    const double error = std::abs(double{static_cast<float>(rounded)} - value);
    for (const int step : {-1, 1}) {
      Half other = rounded;
      other.bits = static_cast<std::uint16_t>(other.bits + step);
      if (!std::isfinite(static_cast<float>(other))) continue;
      ASSERT_LE(error, std::abs(double{static_cast<float>(other)} - value)) << value;
    }
  }
}

}  // namespace
}  // namespace switchyard::kernels
