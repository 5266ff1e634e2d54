#include "kernels/common/convert.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>

namespace switchyard::kernels {
namespace {

template <class From>
class ConvertFloating : public testing::Test {};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(ConvertFloating, RealTypes);

TYPED_TEST(ConvertFloating, IntegersCutOffTowardsZero) {
  EXPECT_EQ(convert_element<std::int32_t>(TypeParam{2.75}), 2);
  EXPECT_EQ(convert_element<std::int32_t>(TypeParam{-2.75}), -2);
  EXPECT_EQ(convert_element<std::int64_t>(TypeParam{-0.5}), 0);
  EXPECT_EQ(convert_element<std::uint8_t>(TypeParam{254.5}), 254);
  EXPECT_EQ(convert_element<std::uint8_t>(TypeParam{0.75}), 0);
}

template <class To, class From>
void expect_nearest_end() {
  constexpr From kInf = std::numeric_limits<From>::infinity();
  using Limits = std::numeric_limits<To>;
  for (const From beyond : {kInf, From{1e30F}, static_cast<From>(Limits::max()),
                            static_cast<From>(Limits::max()) * From{1.5}}) {
    EXPECT_EQ(convert_element<To>(beyond), Limits::max()) << beyond;
  }
  for (const From below : {-kInf, From{-1e30F}, static_cast<From>(Limits::min()),
                           static_cast<From>(Limits::min()) * From{1.5} - From{1}}) {
    EXPECT_EQ(convert_element<To>(below), Limits::min()) << below;
  }
  EXPECT_EQ(convert_element<To>(std::numeric_limits<From>::quiet_NaN()), To{0});
}
TYPED_TEST(ConvertFloating, IntegersOutsideTheRangeBecomeItsNearestEndAndNaNZero) {
  expect_nearest_end<std::uint8_t, TypeParam>();
  expect_nearest_end<std::int32_t, TypeParam>();
  expect_nearest_end<std::int64_t, TypeParam>();
}

TYPED_TEST(ConvertFloating, LargestNumbersInsideTheRangeAreExact) {
  const TypeParam below = std::nextafter(std::ldexp(TypeParam{1}, 63), TypeParam{0});
  EXPECT_EQ(static_cast<TypeParam>(convert_element<std::int64_t>(below)), below);
  EXPECT_EQ(static_cast<TypeParam>(convert_element<std::int64_t>(-below)), -below);
  const TypeParam small = std::nextafter(std::ldexp(TypeParam{1}, 31), TypeParam{0});
  EXPECT_EQ(convert_element<std::int32_t>(small), static_cast<std::int32_t>(std::trunc(small)));
}

TEST(ConvertElement, IntegersKeepTheirLowBits) {
  EXPECT_EQ(convert_element<std::uint8_t>(std::int64_t{-1}), 255);
  EXPECT_EQ(convert_element<std::int32_t>((std::int64_t{1} << 32) + 7), 7);
  EXPECT_EQ(convert_element<std::int64_t>(std::int32_t{-5}), -5);
}

TEST(ConvertElement, DoubleBecomesTheNearestBFloat16InOneRounding) {
  // 1 + 2^-8 lies half way between two bfloat16 numbers, 1 (even) and 1 + 2^-7.
  const double tie = 1 + std::ldexp(1.0, -8);
  const double step = std::ldexp(1.0, -40);  // rounding to float32 loses it
  const auto rounded = [](double x) {
    return convert_element<double>(convert_element<BFloat16>(x));
  };
  EXPECT_EQ(rounded(tie), 1.0);
  EXPECT_EQ(rounded(tie + step), 1 + std::ldexp(1.0, -7));
  EXPECT_EQ(rounded(-tie - step), -1 - std::ldexp(1.0, -7));
  const double odd_tie = 1 + 3 * std::ldexp(1.0, -8);  // between 1 + 2^-7 and 1 + 2^-6 (even)
  EXPECT_EQ(rounded(odd_tie), 1 + std::ldexp(1.0, -6));
  EXPECT_EQ(rounded(odd_tie - step), 1 + std::ldexp(1.0, -7));
  EXPECT_EQ(rounded(-odd_tie + step), -1 - std::ldexp(1.0, -7));
  EXPECT_TRUE(std::isnan(rounded(std::nan(""))));
  EXPECT_EQ(rounded(1e300), std::numeric_limits<double>::infinity());
}

}  // namespace
}  // namespace switchyard::kernels
