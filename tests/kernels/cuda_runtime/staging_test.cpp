#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "kernels/cuda/staging.h"
#include "tests/kernels/cuda_runtime/cuda_test.h"
#include "tests/support/expect_error.h"

namespace switchyard::test {
namespace {

using namespace kernels;

using CudaCopyTest = CudaTest;

std::vector<unsigned char> random_bytes(std::size_t count) {
  std::mt19937 random(static_cast<unsigned>(count) + 1);
  std::vector<unsigned char> bytes(count);
  for (auto& byte : bytes) byte = static_cast<unsigned char>(random());
  return bytes;
}

const std::size_t kSizes[] = {0,
                              1,
                              8,
                              Staging::kSlotBytes - 1,
                              Staging::kSlotBytes,
                              Staging::kSlotBytes + 1,
                              Staging::kSlots* Staging::kSlotBytes,
                              (2 * Staging::kSlots + 1) * Staging::kSlotBytes + 12345};

TEST_F(CudaCopyTest, ThereAndBackBitForBit) {
  Cuda cuda;
  for (const std::size_t bytes : kSizes) {
    const auto sent = random_bytes(bytes);
    const MemoryBlock block = allocate(cuda, bytes);
    auto source = sent;
    copy_to_device(cuda, block.data, source.data(), bytes);
    std::fill(source.begin(), source.end(), 0);  // it is the caller's again
    std::vector<unsigned char> received(bytes, 0xEE);
    copy_to_host(cuda, received.data(), block.data, bytes);
    EXPECT_EQ(received, sent) << bytes;
    release(cuda, block);
  }
  EXPECT_EQ(fake_.pinned_bytes, Staging::kSlots * Staging::kSlotBytes);
}

TEST_F(CudaCopyTest, ACopyToTheDeviceDoesNotWaitForIt) {
  Cuda cuda;
  const auto sent = random_bytes(3 * Staging::kSlotBytes);
  const MemoryBlock block = allocate(cuda, sent.size());
  std::memset(block.data, 0, sent.size());
  copy_to_device(cuda, block.data, sent.data(), sent.size());
  EXPECT_NE(std::memcmp(block.data, sent.data(), sent.size()), 0);
  synchronise(cuda);
  EXPECT_EQ(std::memcmp(block.data, sent.data(), sent.size()), 0);
  release(cuda, block);
}

TEST_F(CudaCopyTest, CopiesKeepTheOrderOfTheStream) {
  Cuda cuda;
  const auto first = random_bytes(1000);
  const auto second = random_bytes(500);
  const MemoryBlock a = allocate(cuda, 1000);
  const MemoryBlock b = allocate(cuda, 1000);
  copy_to_device(cuda, a.data, first.data(), 1000);
  copy_within_device(cuda, b.data, a.data, 1000);
  copy_to_device(cuda, a.data, second.data(), 500);
  clear(cuda, static_cast<char*>(b.data) + 900, 100);
  std::vector<unsigned char> got_a(1000);
  std::vector<unsigned char> got_b(1000);
  copy_to_host(cuda, got_a.data(), a.data, 1000);
  copy_to_host(cuda, got_b.data(), b.data, 1000);
  EXPECT_TRUE(std::equal(second.begin(), second.end(), got_a.begin()));
  EXPECT_TRUE(std::equal(first.begin() + 500, first.end(), got_a.begin() + 500));
  EXPECT_TRUE(std::equal(first.begin(), first.begin() + 900, got_b.begin()));
  EXPECT_TRUE(std::all_of(got_b.begin() + 900, got_b.end(), [](auto byte) { return byte == 0; }));
  release(cuda, a);
  release(cuda, b);
}

TEST_F(CudaCopyTest, SeveralCopiesToTheHostAreOneWait) {
  Cuda cuda;
  const auto sent = random_bytes(5000);
  const MemoryBlock block = allocate(cuda, sent.size());
  copy_to_device(cuda, block.data, sent.data(), sent.size());
  synchronise(cuda);
  std::vector<unsigned char> first(4000), second(1), third(7);
  const auto* const from = static_cast<const unsigned char*>(block.data);
  const HostCopy copies[] = {{first.data(), from, 4000},
                             {nullptr, from, 0},
                             {second.data(), from + 4000, 1},
                             {third.data(), from + 4993, 7}};
  fake_.traffic.waits = 0;
  EXPECT_EQ(read_back(cuda, copies), kNoFault);
  EXPECT_EQ(fake_.traffic.waits, 1U);
  EXPECT_TRUE(std::equal(first.begin(), first.end(), sent.begin()));
  EXPECT_EQ(second[0], sent[4000]);
  EXPECT_TRUE(std::equal(third.begin(), third.end(), sent.begin() + 4993));
  release(cuda, block);
}

TEST_F(CudaCopyTest, AFaultIsReadWithTheNextCopyAndSetBack) {
  Cuda cuda;
  LowestNumber* const word = fault_word(cuda);
  synchronise(cuda);
  EXPECT_EQ(*word, kNoFault);
  *word = FaultReport(word, 3).entry(41);  // as a kernel would
  const LowestNumber fault = read_back(cuda, {});
  EXPECT_EQ(code_of_fault(fault), 3U);
  EXPECT_EQ(row_of_fault(fault), 41);
  EXPECT_EQ(read_back(cuda, {}), kNoFault);
  EXPECT_EQ(fault_word(cuda), word);
}

TEST_F(CudaCopyTest, NothingIsEnqueuedForNothing) {
  Cuda cuda;
  copy_to_device(cuda, nullptr, nullptr, 0);
  copy_to_host(cuda, nullptr, nullptr, 0);
  copy_within_device(cuda, nullptr, nullptr, 0);
  clear(cuda, nullptr, 0);
  EXPECT_EQ(fake_.count("cudaMemcpyAsync") + fake_.count("cudaMemsetAsync"), 0);
}

TEST_F(CudaCopyTest, FailuresNameTheCallAndTheDirection) {
  Cuda cuda;
  const MemoryBlock block = allocate(cuda, 8);
  double value = 1.0;
  fake_.fail_once["cudaMemcpyAsync"] = cudaErrorInvalidValue;
  EXPECT_EQ(error_text<CudaError>([&] { copy_to_device(cuda, block.data, &value, 8); }),
            "[cudaMemcpyAsync to the device] CUDA: invalid argument");
  fake_.fail_once["cudaMemcpyAsync"] = cudaErrorInvalidValue;
  expect_error<CudaError>([&] { copy_to_host(cuda, &value, block.data, 8); },
                          "[cudaMemcpyAsync to the host]");
  fake_.fail_once["cudaHostAlloc"] = cudaErrorMemoryAllocation;
  expect_error<CudaError>([&] { copy_to_host(cuda, &value, block.data, 8); }, "[cudaHostAlloc]");
  copy_to_device(cuda, block.data, &value, 8);
  synchronise(cuda);
  EXPECT_EQ(std::memcmp(block.data, &value, 8), 0);
  release(cuda, block);
}

}  // namespace
}  // namespace switchyard::test
