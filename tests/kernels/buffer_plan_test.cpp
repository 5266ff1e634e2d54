#include "kernels/cpu/buffer_plan.h"

#include <gtest/gtest.h>

namespace switchyard::kernels {
namespace {

using Sizes = std::vector<std::size_t>;

TEST(BufferPlan, ValuesThatLiveTogetherGetBuffersOfTheirOwn) {
  BufferPlan plan;
  EXPECT_EQ(plan.take(10), 0);
  EXPECT_EQ(plan.take(20), 1);
  EXPECT_EQ(plan.sizes(), (Sizes{10, 20}));
}

TEST(BufferPlan, TakesTheSmallestFreeBufferThatIsLargeEnough) {
  BufferPlan plan;
  for (std::size_t size : {30, 10, 20}) plan.take(size);
  for (int buffer : {0, 1, 2}) plan.give_back(buffer);
  EXPECT_EQ(plan.take(15), 2);
  EXPECT_EQ(plan.take(15), 0);
  EXPECT_EQ(plan.sizes(), (Sizes{30, 10, 20}));
}

TEST(BufferPlan, GrowsTheLargestFreeBufferWhereNoneIsLargeEnough) {
  BufferPlan plan;
  for (std::size_t size : {10, 20}) plan.take(size);
  for (int buffer : {0, 1}) plan.give_back(buffer);
  EXPECT_EQ(plan.take(25), 1);
  EXPECT_EQ(plan.sizes(), (Sizes{10, 25}));
}

}  // namespace
}  // namespace switchyard::kernels
