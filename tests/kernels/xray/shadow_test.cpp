#include "kernels/xray/shadow.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

namespace switchyard::kernels::xray::test {
namespace {

TEST(XrayShadow, AWrittenMapAgreesWithABitPerByte) {
  constexpr std::size_t kBytes = 300;
  WrittenMap map(kBytes);
  std::vector<bool> bits(kBytes);
  std::mt19937 random(5);
  for (int turn = 0; turn < 400; ++turn) {
    const std::size_t at = random() % kBytes, count = random() % (kBytes - at + 1);
    const bool written = random() % 3 != 0;
    map.set_range(at, count, written);
    std::fill_n(bits.begin() + static_cast<std::ptrdiff_t>(at), count, written);
    const std::size_t from = random() % kBytes, length = random() % 40 % (kBytes - from + 1);
    const auto begin = bits.begin() + static_cast<std::ptrdiff_t>(from);
    const auto end = begin + static_cast<std::ptrdiff_t>(length);
    EXPECT_EQ(map.all(from, length), std::find(begin, end, false) == end);
    EXPECT_EQ(map.is_written(from), bits[from]);
  }
}

}  // namespace
}  // namespace switchyard::kernels::xray::test
