#include "kernels/common/divider.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <vector>

namespace switchyard::kernels {
namespace {

TEST(Divider, DividesAsTheProcessorDoes) {
  constexpr int kMost = std::numeric_limits<int>::max();
  std::mt19937 random(5);
  std::vector<int> divisors = {1,         2,    3, 5, 7, 9, 64, 576, 641, 1 << 30, (1 << 30) + 1,
                               kMost - 1, kMost};
  for (int i = 0; i < 200; ++i) {
    divisors.push_back(1 + static_cast<int>(random() >> (1 + random() % 31)));
  }
  for (const int d : divisors) {
    const Divider divider(d);
    EXPECT_EQ(divider.divisor(), d);
    std::vector<int> numbers = {0, 1, d - 1, d, kMost, kMost - 1, kMost / d * d, kMost / d * d - 1};
    for (int i = 0; i < 200; ++i) numbers.push_back(static_cast<int>(random() >> 1));
    for (const int n : numbers) ASSERT_EQ(divider.quotient(n), n / d) << n << " / " << d;
  }
}

}  // namespace
}  // namespace switchyard::kernels
