#include "kernels/common/sizes.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/support/expect_error.h"

namespace switchyard::kernels {
namespace {

TEST(CheckedExtent, MultipliesWhatFits) {
  EXPECT_EQ(checked_extent("k", "rows", 0), 0);
  EXPECT_EQ(checked_extent("k", "rows", kLargestExtent), kLargestExtent);
  EXPECT_EQ(checked_extent("k", "pixels", {3, 5, 7}), 105);
  EXPECT_EQ(checked_extent("k", "pixels", {3, 0, kLargestExtent}), 0);
}

TEST(CheckedExtent, NamesKernelExtentAndSizesOtherwise) {
  const auto expect_refused = [](std::initializer_list<std::int64_t> factors, const char* part) {
    test::expect_error<Refusal>([&] { checked_extent("k", "rows", factors); }, part);
  };
  expect_refused({-1}, "[k] rows of -1 is outside 0 ... 2147479552");
  expect_refused({kLargestExtent + 1}, "2147479553");
  expect_refused({65536, 65536}, "65536 * 65536");
  // Products that would overflow 64 bits on the way, or come back into range.
  constexpr std::int64_t kHuge = std::int64_t{1} << 62;
  expect_refused({kHuge, 4}, "rows");
  expect_refused({kHuge, 0}, "rows");
  expect_refused({1 << 30, 1 << 30, 1 << 30, 0}, "rows");
  expect_refused({std::numeric_limits<std::int64_t>::min(), -1}, "rows");
}

}  // namespace
}  // namespace switchyard::kernels
