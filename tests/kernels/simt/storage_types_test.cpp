#include <gtest/gtest.h>

#include <vector>

#include "kernels/common/bfloat16.h"
#include "kernels/common/half.h"
#include "kernels/common/launch.h"
#include "kernels/common/warp.h"
#include "kernels/common/wide.h"

namespace switchyard::kernels {
namespace {

/// Eight elements a thread: doubled in float32, passed through shared memory and to the
/// neighbouring lane.
template <class T>
__global__ void double_and_swap(const T* x, T* y) {
  __shared__ Wide<T> tile[32];
  const auto lane = static_cast<int>(threadIdx.x);
  Wide<T> mine = load128(x + lane * Wide<T>::kCount);
  for (T& element : mine.value) element = T(2.0F * static_cast<float>(element));
  tile[lane] = mine;
  __syncthreads();
  mine = tile[31 - lane];
  for (T& element : mine.value) element = __shfl_xor_sync(kFullWarp, element, 1);
  store128(y + lane * Wide<T>::kCount, mine);
}

template <class T>
class StorageTypes : public testing::Test {};
using Types = testing::Types<BFloat16, Half>;
TYPED_TEST_SUITE(StorageTypes, Types);

TYPED_TEST(StorageTypes, MoveThroughWideLoadsSharedMemoryAndShuffles) {
  using T = TypeParam;
  constexpr int kPerLane = Wide<T>::kCount;
  ASSERT_EQ(kPerLane, 8);
  std::vector<Wide<T>> x(32);
  std::vector<Wide<T>> y(32);
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < kPerLane; ++i) {
      x[static_cast<std::size_t>(lane)].value[i] = T(static_cast<float>(lane * kPerLane + i) - 99);
    }
  }
  Simt simt;
  launch(simt, "double_and_swap", double_and_swap<T>, LaunchShape{.grid = {}, .block = {32}},
         x[0].value, y[0].value);
  for (int lane = 0; lane < 32; ++lane) {
    const int source = 31 - (lane ^ 1);
    for (int i = 0; i < kPerLane; ++i) {
      EXPECT_EQ(static_cast<float>(y[static_cast<std::size_t>(lane)].value[i]),
                2.0F * (static_cast<float>(source * kPerLane + i) - 99));
    }
  }
}

}  // namespace
}  // namespace switchyard::kernels
