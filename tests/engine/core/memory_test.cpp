#include "engine/core/memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "engine/core/tensor.h"
#include "tests/support/expect_error.h"

namespace switchyard::test {
namespace {

/// Bytes of this process that are in memory now.
std::size_t resident_bytes() {
  std::size_t total = 0;
  std::size_t resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;  // pages
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

TEST(HostMemory, BlocksOneElementBelowTheCachesBorderDoNotLeak) {
  // 65,535 elements of float32 are 4 bytes less than 256 KiB, from which on blocks are cached.
  const auto rounds = [](int count) {
    for (int i = 0; i < count; ++i) {
      Tensor::full({65'535}, 1.0, DType::kFloat32);  // touched, hence resident
      release_cached_memory(Device::kCpu);
    }
  };
  rounds(10);
  const std::size_t before = resident_bytes();
  rounds(2'000);
  EXPECT_LT(resident_bytes(), before + (std::size_t{8} << 20));
}

/// Adds up what is allocated and freed.
class Tally : public MemoryObserver {
 public:
  void allocated(const Storage& storage) noexcept override {
    ++count;
    bytes += storage.capacity();
  }
  void freed(const Storage& storage) noexcept override { bytes -= storage.capacity(); }

  int count = 0;
  std::size_t bytes = 0;
};

TEST(MemoryObserver, CountsWhatTheAllocatorCounts) {
  Tally tally;
  const std::size_t before = memory_stats(Device::kCpu).live;
  ASSERT_EQ(observe_memory(&tally), nullptr);
  Tensor small = Tensor::zeros({3}, DType::kFloat64);
  Tensor large = Tensor::zeros({300'000}, DType::kFloat64);
  EXPECT_GE(small.storage()->capacity(), small.bytes());
  EXPECT_EQ(tally.bytes, memory_stats(Device::kCpu).live - before);
  large = {};
  EXPECT_EQ(tally.bytes, memory_stats(Device::kCpu).live - before);
  EXPECT_EQ(tally.count, 2);
  EXPECT_EQ(observe_memory(nullptr), &tally);
  small = {};
  EXPECT_NE(tally.bytes, 0U);
}

TEST(OutOfMemory, NamesBytesAndDevice) {
  const auto pebibyte = [] { Tensor::empty({std::int64_t{1} << 50}, DType::kUInt8); };
  expect_error(pebibyte, "out of memory: could not allocate 1125899906842624 bytes on cpu");
  expect_error<OutOfMemory>(pebibyte, "on cpu");
}

}  // namespace
}  // namespace switchyard::test
