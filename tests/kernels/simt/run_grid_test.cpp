#include "kernels/simt/run_grid.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "kernels/common/launch.h"
#include "kernels/common/warp.h"
#include "kernels/cpu/parallel.h"

namespace switchyard::kernels {
namespace {

// ---- kernels that must work

__global__ void write_identity(unsigned* out) {
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  out[block * blockDim.x * blockDim.y * blockDim.z + thread] = block * 1000 + thread;
}

constexpr int kTile = 8;
__global__ void transpose_tiled(const float* x, float* y, int n) {
  __shared__ float tile[kTile][kTile + 1];
  const int row = static_cast<int>(blockIdx.y) * kTile;
  const int column = static_cast<int>(blockIdx.x) * kTile;
  const int ty = static_cast<int>(threadIdx.y);
  const int tx = static_cast<int>(threadIdx.x);
  tile[ty][tx] = x[(row + ty) * n + column + tx];
  __syncthreads();
  y[(column + ty) * n + row + tx] = tile[tx][ty];
}

__global__ void reverse_in_dynamic_shared(int* data) {
  SWITCHYARD_DYNAMIC_SHARED(int, buffer);
  const unsigned i = threadIdx.x;
  buffer[i] = data[i];
  __syncthreads();
  data[i] = buffer[blockDim.x - 1 - i];
}

__global__ void barrier_votes(int* out) {
  const int odd = static_cast<int>(threadIdx.x % 2);
  const int count = __syncthreads_count(odd);
  const int all = __syncthreads_and(1);
  const int none = __syncthreads_or(0);
  const int some = __syncthreads_or(odd);
  out[threadIdx.x] = count * 1000 + all * 100 + none * 10 + some;
}

__global__ void warp_operations(unsigned* out) {
  const unsigned lane = threadIdx.x % 32;
  unsigned* mine = out + threadIdx.x * 8;
  mine[0] = __shfl_sync(kFullWarp, lane * 2, 5);
  mine[1] = __shfl_up_sync(kFullWarp, lane, 3);
  mine[2] = __shfl_down_sync(kFullWarp, lane, 3, 16);
  mine[3] = __shfl_xor_sync(kFullWarp, lane, 7);
  mine[4] = __ballot_sync(kFullWarp, lane % 3 == 0 ? 1 : 0);
  mine[5] = __match_any_sync(kFullWarp, lane % 4);
  mine[6] = __reduce_add_sync(kFullWarp, lane);
  mine[7] = warp_sum(lane) + warp_max(lane);
}

__global__ void half_warps(unsigned* out) {
  const unsigned lane = threadIdx.x;
  const unsigned low = 0x0000FFFFU;
  if (lane < 16) {
    out[lane] = __reduce_add_sync(low, lane);
  } else {
    out[lane] = __reduce_max_sync(~low, lane);
  }
  __syncwarp();
  out[lane] += 1;
}

__global__ void count_with_atomics(int* counter, float* sum, int* largest) {
  atomicAdd(counter, 1);
  atomicAdd(sum, 0.5F);
  atomicMax(largest, static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x));
}

// Thread 0 waits for a flag that another thread of its block sets later.
__global__ void wait_for_flag(int* flag) {
  if (threadIdx.x == 0) {
    while (atomicAdd(flag, 0) == 0) {
    }
  } else {
    atomicExch(flag, 1);
  }
}

// Blocks wait for the block before them, as a decoupled look-back does.
__global__ void chained_blocks(int* done, int* order) {
  if (threadIdx.x != 0) return;
  const int block = static_cast<int>(blockIdx.x);
  while (atomicAdd(done, 0) != block) {
  }
  order[block] = block;
  atomicAdd(done, 1);
}

// ---- kernels that are broken on purpose

__global__ void return_before_barrier() {
  if (threadIdx.x < 5) return;
  __syncthreads();
}

__global__ void divergent_barrier() {
  if (threadIdx.x < 16) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}

__global__ void barrier_against_shuffle(float* out) {
  if (threadIdx.x == 3) __syncthreads();
  out[threadIdx.x] = __shfl_xor_sync(kFullWarp, 1.0F, 1);
  __syncthreads();
}

__global__ void shuffle_with_returned_lane(float* out) {
  if (threadIdx.x == 7) return;
  out[threadIdx.x] = __shfl_down_sync(kFullWarp, 1.0F, 1);
}

__global__ void shuffle_outside_own_mask(float* out) {
  out[threadIdx.x] = __shfl_sync(0x0000FFFFU, 1.0F, 0);
}

__global__ void wait_for_ever(int* flag) {
  while (atomicAdd(flag, 0) == 0) {
  }
}

template <class Body>
std::string error_of(const Body& body) {
  try {
    body();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "no error";
}

void expect_error(const std::string& error, std::initializer_list<const char*> parts) {
  for (const char* part : parts) EXPECT_NE(error.find(part), std::string::npos) << error;
}

TEST(SimtExecutor, NumbersThreadsAndBlocksInThreeDimensions) {
  const LaunchShape shape{.grid = {3, 2, 4}, .block = {5, 3, 2}};
  const auto threads = static_cast<unsigned>(shape.block.count());
  std::vector<unsigned> out(shape.grid.count() * threads, 0xDEADU);
  Simt simt;
  launch(simt, "write_identity", write_identity, shape, out.data());
  for (unsigned i = 0; i < out.size(); ++i) {
    ASSERT_EQ(out[i], i / threads * 1000 + i % threads) << i;
  }
}

TEST(SimtExecutor, StaticSharedMemoryIsTheBlocksOwn) {
  constexpr int kSize = 64;
  std::vector<float> x(kSize * kSize);
  std::iota(x.begin(), x.end(), 0.0F);
  std::vector<float> y(x.size(), -1.0F);
  Simt simt;
  launch(simt, "transpose_tiled", transpose_tiled,
         LaunchShape{.grid = {kSize / kTile, kSize / kTile}, .block = {kTile, kTile}}, x.data(),
         y.data(), kSize);
  for (int i = 0; i < kSize; ++i) {
    for (int j = 0; j < kSize; ++j) {
      ASSERT_EQ(y[static_cast<std::size_t>(i * kSize + j)],
                x[static_cast<std::size_t>(j * kSize + i)]);
    }
  }
}

TEST(SimtExecutor, DynamicSharedMemory) {
  std::vector<int> data(1000);
  std::iota(data.begin(), data.end(), 0);
  Simt simt;
  launch(simt, "reverse", reverse_in_dynamic_shared,
         LaunchShape{.grid = {}, .block = {1000}, .dynamic_shared_bytes = 1000 * sizeof(int)},
         data.data());
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(data[static_cast<std::size_t>(i)], 999 - i);
}

TEST(SimtExecutor, BarriersCountAndCombinePredicates) {
  std::vector<int> out(96, -1);
  Simt simt;
  launch(simt, "barrier_votes", barrier_votes, LaunchShape{.grid = {}, .block = {96}}, out.data());
  for (const int v : out) ASSERT_EQ(v, 48 * 1000 + 100 + 0 + 1);
}

TEST(SimtExecutor, WarpOperationsMeanWhatTheyMeanOnAGpu) {
  std::vector<unsigned> out(64 * 8, 0xDEADU);
  Simt simt;
  launch(simt, "warp_operations", warp_operations, LaunchShape{.grid = {}, .block = {64}},
         out.data());
  for (unsigned i = 0; i < 64; ++i) {
    const unsigned lane = i % 32;
    const unsigned* mine = out.data() + i * 8;
    EXPECT_EQ(mine[0], 10U);
    EXPECT_EQ(mine[1], lane < 3 ? lane : lane - 3);
    EXPECT_EQ(mine[2], lane % 16 >= 13 ? lane : lane + 3);
    EXPECT_EQ(mine[3], lane ^ 7U);
    EXPECT_EQ(mine[4], 0x49249249U);
    EXPECT_EQ(mine[5], 0x11111111U << (lane % 4));
    EXPECT_EQ(mine[6], 496U);
    EXPECT_EQ(mine[7], 496U + 31U);
  }
}

TEST(SimtExecutor, DivergentHalvesOfAWarpCollectSeparately) {
  std::vector<unsigned> out(32, 0);
  Simt simt;
  launch(simt, "half_warps", half_warps, LaunchShape{.grid = {}, .block = {32}}, out.data());
  for (unsigned lane = 0; lane < 32; ++lane) ASSERT_EQ(out[lane], lane < 16 ? 121U : 32U);
}

TEST(SimtExecutor, AtomicsCountAcrossBlocksAndHostThreads) {
  int counter = 0;
  float sum = 0.0F;
  int largest = -1;
  Simt simt;
  launch(simt, "count", count_with_atomics, LaunchShape{.grid = {100}, .block = {64}}, &counter,
         &sum, &largest);
  EXPECT_EQ(counter, 6400);
  EXPECT_EQ(sum, 3200.0F);
  EXPECT_EQ(largest, 6399);
}

TEST(SimtExecutor, ThreadsThatWaitOnAtomicsLetOthersRun) {
  int flag = 0;
  Simt simt;
  launch(simt, "wait_for_flag", wait_for_flag, LaunchShape{.grid = {}, .block = {64}}, &flag);
  EXPECT_EQ(flag, 1);
  int done = 0;
  std::vector<int> order(50, -1);
  launch(simt, "chained_blocks", chained_blocks, LaunchShape{.grid = {50}, .block = {32}}, &done,
         order.data());
  EXPECT_EQ(done, 50);
}

TEST(SimtExecutor, NamesKernelBlockThreadAndLineOfABarrierThatIsNeverReached) {
  Simt simt;
  expect_error(error_of([&] {
                 launch(simt, "early_exit", return_before_barrier,
                        LaunchShape{.grid = {2}, .block = {64}});
               }),
               {"[early_exit]", "block (", "thread (4, 0, 0) returned", "run_grid_test.cpp:"});
  expect_error(error_of([&] {
                 launch(simt, "divergent", divergent_barrier,
                        LaunchShape{.grid = {}, .block = {64}});
               }),
               {"[divergent]", "divergent barrier", "thread (16, 0, 0)", "run_grid_test.cpp:"});
}

TEST(SimtExecutor, NamesDeadlocksAndAbsentLanes) {
  Simt simt;
  std::vector<float> out(64);
  expect_error(error_of([&] {
                 launch(simt, "mixed", barrier_against_shuffle,
                        LaunchShape{.grid = {}, .block = {64}}, out.data());
               }),
               {"[mixed]", "deadlock", "lane 3", "barrier", "run_grid_test.cpp:"});
  expect_error(error_of([&] {
                 launch(simt, "returned", shuffle_with_returned_lane,
                        LaunchShape{.grid = {}, .block = {32}}, out.data());
               }),
               {"[returned]", "absent lane 7", "run_grid_test.cpp:"});
  expect_error(error_of([&] {
                 launch(simt, "short_warp", warp_operations, LaunchShape{.grid = {}, .block = {16}},
                        reinterpret_cast<unsigned*>(out.data()));
               }),
               {"[short_warp]", "absent lane 16"});
  expect_error(error_of([&] {
                 launch(simt, "own_mask", shuffle_outside_own_mask,
                        LaunchShape{.grid = {}, .block = {32}}, out.data());
               }),
               {"[own_mask]", "not in the mask"});
}

TEST(SimtExecutor, EndsALaunchThatOnlyWaits) {
  Simt simt;
  simt.hang_seconds = 0.1;
  int flag = 0;
  expect_error(error_of([&] {
                 launch(simt, "for_ever", wait_for_ever, LaunchShape{.grid = {}, .block = {32}},
                        &flag);
               }),
               {"[for_ever]", "waits without end", "run_grid_test.cpp:"});
}

TEST(SimtExecutor, WorksAgainAfterAnError) {
  Simt simt;
  EXPECT_THROW(
      launch(simt, "early_exit", return_before_barrier, LaunchShape{.grid = {8}, .block = {64}}),
      simt::KernelError);
  std::vector<int> out(96, -1);
  launch(simt, "barrier_votes", barrier_votes, LaunchShape{.grid = {}, .block = {96}}, out.data());
  for (const int v : out) ASSERT_EQ(v, 48101);
}

TEST(SimtExecutor, RefusesLaunchesOverTheLimitsBeforeTheyRun) {
  Simt simt;
  std::vector<int> out(1);
  const auto refused = [&](const LaunchShape& shape) {
    return error_of([&] { launch(simt, "big", barrier_votes, shape, out.data()); });
  };
  expect_error(refused({.grid = {}, .block = {1025}}), {"[big]", "(1025, 1, 1)", "1024"});
  expect_error(refused({.grid = {}, .block = {64, 32}}), {"[big]", "2048 threads", "1024"});
  expect_error(refused({.grid = {1, 70000}, .block = {32}}), {"[big]", "70000", "65535"});
  expect_error(refused({.grid = {1, 0}, .block = {32}}), {"[big]", "empty"});
  expect_error(refused({.grid = {}, .block = {32}, .dynamic_shared_bytes = std::size_t{1} << 20}),
               {"[big]", "1048576 bytes", "dynamic shared"});
  EXPECT_EQ(out[0], 0);
}

}  // namespace
}  // namespace switchyard::kernels
