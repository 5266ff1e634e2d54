#include "kernels/cuda/split_sum.cuh"

#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/common/sizes.h"

namespace switchyard::test {
namespace {

using kernels::Split;
using kernels::split_sum;

TEST(SplitSum, PartsCoverTheDepthAndFitAGrid) {
  constexpr auto kMost = static_cast<int>(kernels::kLargestExtent);
  for (const int depth : {0, 1, 511, 513, 2760, 131072, 100'000'000, kMost}) {
    for (const std::int64_t outputs : {1, 4096, 36'864, 100'000'000}) {
      const Split split = split_sum(outputs, (outputs + 4095) / 4096, depth);
      const auto length = std::int64_t{split.length};
      EXPECT_GE(split.count * length, depth) << depth << ", " << outputs;
      EXPECT_LT((split.count - 1) * length, std::max(depth, 1)) << depth << ", " << outputs;
      EXPECT_LE(split.count, 65'535) << depth << ", " << outputs;
    }
  }
}

TEST(SplitSum, FewOutputsOfALongSumAreCutIntoManyParts) {
  const Split split = split_sum(64 * 576, 9, 131'072);
  EXPECT_EQ(split.count, 28);
  EXPECT_EQ(split.length, 4736);
}

TEST(SplitSum, OutputsThatFillAGpuAreNotCut) {
  EXPECT_EQ(split_sum(4096 * 256, 256, 16'384).count, 1);
}

}  // namespace
}  // namespace switchyard::test
