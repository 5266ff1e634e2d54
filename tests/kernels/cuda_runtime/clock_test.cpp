#include "kernels/api/device.h"
#include "kernels/api/device_clock.h"
#include "tests/kernels/cuda_runtime/cuda_test.h"

namespace switchyard::test {
namespace {

using namespace kernels;
using ClockTest = CudaTest;

TEST_F(ClockTest, WhatWasEnqueuedBeforeIsNoPartOfACallsTime) {
  Cuda cuda;
  const MemoryBlock block = allocate(cuda, 4'000'000);
  clear(cuda, block.data, 4'000'000);
  const double seconds = device_seconds(cuda, [&] { clear(cuda, block.data, 2'000'000); });
  EXPECT_NEAR(seconds, 2e-3, 1e-9);
  clear(cuda, block.data, 1'000'000);
  EXPECT_NEAR(device_seconds(cuda, [] {}), 0.0, 1e-9);
  EXPECT_EQ(fake_.live_events, 0);
  release(cuda, block);
}

TEST_F(ClockTest, ACallThatFailsLeavesNoEvents) {
  Cuda cuda;
  EXPECT_THROW(device_seconds(cuda, [] { throw CudaError("no"); }), CudaError);
  fake_.fail_once["cudaEventElapsedTime"] = cudaErrorInvalidValue;
  EXPECT_THROW(device_seconds(cuda, [] {}), CudaError);
  EXPECT_EQ(fake_.live_events, 0);
}

TEST_F(ClockTest, TheDriverSaysHowLargeTheCacheIs) {
  fake_.cache_bytes = 50 << 20;
  EXPECT_EQ(shared_cache_bytes(Cuda()), std::size_t{50} << 20);
  fake_.fail_once["cudaDeviceGetAttribute"] = cudaErrorInvalidValue;
  EXPECT_THROW(shared_cache_bytes(Cuda()), CudaError);
}

}  // namespace
}  // namespace switchyard::test
