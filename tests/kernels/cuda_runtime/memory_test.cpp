#include <cstdint>
#include <limits>
#include <optional>
#include <thread>
#include <type_traits>

#include "tests/kernels/cuda_runtime/cuda_test.h"
#include "tests/support/expect_error.h"

namespace switchyard::test {
namespace {

using namespace kernels;

using CudaMemoryTest = CudaTest;

static_assert(std::is_base_of_v<Error, CudaError>);  // one catch serves every fault of a device

TEST_F(CudaMemoryTest, BlocksAreAlignedNeverNullAndCounted) {
  Cuda cuda;
  EXPECT_EQ(fake_.release_threshold, std::numeric_limits<std::uint64_t>::max());
  for (const std::size_t bytes : {0, 1, 255, 256, 257, 100000}) {
    const MemoryBlock block = allocate(cuda, bytes);
    ASSERT_NE(block.data, nullptr) << bytes;
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block.data) % 256, 0U) << bytes;
    EXPECT_GE(block.capacity, bytes);
    EXPECT_LT(block.capacity, bytes + 256 + (bytes == 0 ? 1 : 0));
    EXPECT_EQ(memory_stats(cuda).live, block.capacity);
    release(cuda, block);
    EXPECT_EQ(memory_stats(cuda).live, 0U);
  }
}

TEST_F(CudaMemoryTest, PeakAndCachedFollow) {
  Cuda cuda;
  const MemoryBlock a = allocate(cuda, 1024);
  const MemoryBlock b = allocate(cuda, 2048);
  release(cuda, b);
  EXPECT_EQ(memory_stats(cuda).live, 1024U);
  EXPECT_EQ(memory_stats(cuda).peak, 3072U);
  EXPECT_EQ(memory_stats(cuda).cached, 2048U);
  reset_peak_memory(cuda);
  EXPECT_EQ(memory_stats(cuda).peak, 1024U);
  release_cached_memory(cuda);
  EXPECT_EQ(memory_stats(cuda).cached, 0U);
  EXPECT_EQ(fake_.device_bytes(), 1024U);
  release(cuda, a);
}

TEST_F(CudaMemoryTest, AFreedBlockIsReusedWithoutWaiting) {
  Cuda cuda;
  const MemoryBlock first = allocate(cuda, 4096);
  release(cuda, first);
  const MemoryBlock second = allocate(cuda, 4096);
  EXPECT_EQ(second.data, first.data);
  EXPECT_EQ(fake_.count("cudaStreamSynchronize"), 0);
  release(cuda, second);
}

TEST_F(CudaMemoryTest, CachedPiecesAreGivenBackBeforeGivingUp) {
  Cuda cuda;
  release(cuda, allocate(cuda, fake_.total_bytes / 2 + 256));
  const MemoryBlock whole = allocate(cuda, fake_.total_bytes);
  EXPECT_EQ(fake_.count("cudaMemPoolTrimTo"), 1);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);  // or the next launch would be blamed
  release(cuda, whole);
}

TEST_F(CudaMemoryTest, OutOfMemorySaysWhatWasAskedForFreeAndThere) {
  fake_.total_bytes = 10240;
  Cuda cuda;
  const MemoryBlock block = allocate(cuda, 4096);
  EXPECT_EQ(error_text<OutOfMemory>([&] { allocate(cuda, 8000); }),
            "out of memory: could not allocate 8000 bytes on cuda: 6144 of 10240 bytes are free, "
            "4096 are live here");
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  EXPECT_EQ(memory_stats(cuda).live, 4096U);
  expect_error<OutOfMemory>([&] { allocate(cuda, std::numeric_limits<std::size_t>::max()); },
                            "could not allocate 18446744073709551615 bytes");
  release(cuda, block);
}

TEST_F(CudaMemoryTest, OtherFailuresNameTheCall) {
  Cuda cuda;
  fake_.fail_once["cudaMallocFromPoolAsync"] = cudaErrorInvalidValue;
  EXPECT_EQ(error_text<CudaError>([&] { allocate(cuda, 8); }),
            "[cudaMallocFromPoolAsync] CUDA: invalid argument");
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

TEST_F(CudaMemoryTest, ADeviceWithoutPoolsIsAnError) {
  fake_.memory_pools = 0;
  expect_error<CudaError>([] { Cuda cuda; }, "[memory] GPU 0 has no memory pools");
}

TEST_F(CudaMemoryTest, AnExecutorTakesItsThingsWithIt) {
  {
    Cuda cuda;
    std::vector<char> host(100);
    const MemoryBlock block = allocate(cuda, host.size());
    copy_to_device(cuda, block.data, host.data(), host.size());
    EXPECT_GT(fake_.live_events, 0);
    release(cuda, block);
  }
  EXPECT_EQ(fake_.live_events, 0);
  EXPECT_EQ(fake_.live_streams, 0);
  EXPECT_EQ(fake_.count("cudaFreeHost"), fake_.count("cudaHostAlloc"));
}

}  // namespace
}  // namespace switchyard::test
