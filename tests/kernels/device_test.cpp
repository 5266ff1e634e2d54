// The host's memory: where blocks come from and where they go back to.

#include "kernels/api/device.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "kernels/api/error.h"
#include "kernels/cpu/aligned_buffer.h"

namespace switchyard::kernels {
namespace {

constexpr std::size_t kKibibyte = 1024;
constexpr std::size_t kPage = 4096;

Cpu& cpu() { return default_executor<Cpu>(); }

/// Every size within 66 bytes of a power of two or of one of its multiples by three.
std::vector<std::size_t> sizes_around_borders() {
  std::vector<std::size_t> sizes;
  for (std::size_t power = kKibibyte; power <= 4096 * kKibibyte; power *= 2) {
    for (const std::size_t border : {power, 3 * power}) {
      for (std::size_t bytes = border - 66; bytes <= border + 66; ++bytes) sizes.push_back(bytes);
    }
  }
  return sizes;
}

TEST(HostMemory, EveryBlockGoesBackTheWayItCame) {
  release_cached_memory(cpu());
  const MemoryStats before = memory_stats(cpu());
  for (const std::size_t bytes : sizes_around_borders()) {
    const MemoryBlock block = allocate(cpu(), bytes);
    const bool starts_a_page = reinterpret_cast<std::uintptr_t>(block.data) % kPage == 0;
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(block.data) % 64, 0U) << bytes;
    ASSERT_GE(block.capacity, bytes);
    std::memset(block.data, 1, bytes);
    release(cpu(), block);
    // Memory that is kept was mapped, page by page; what is not went back to the heap at once.
    const std::size_t kept = memory_stats(cpu()).cached - before.cached;
    ASSERT_TRUE(kept == 0 || (kept == block.capacity && starts_a_page)) << bytes << " bytes";
    release_cached_memory(cpu());
    ASSERT_EQ(memory_stats(cpu()).cached, before.cached) << bytes << " bytes stay mapped";
  }
  EXPECT_EQ(memory_stats(cpu()).live, before.live);
}

TEST(HostMemory, OutOfMemorySaysSo) {
  const std::size_t live = memory_stats(cpu()).live;
  for (const std::size_t bytes : {(std::size_t{1} << 50) + 1, ~std::size_t{0}}) {
    const std::string expected =
        "out of memory: could not allocate " + std::to_string(bytes) + " bytes on cpu";
    try {
      allocate(cpu(), bytes);
      FAIL() << "got " << bytes << " bytes";
    } catch (const OutOfMemory& error) {
      EXPECT_EQ(error.what(), expected);
    }
  }
  EXPECT_EQ(memory_stats(cpu()).live, live);
#ifndef __SANITIZE_ADDRESS__                                 // its heap ends the program instead
  EXPECT_THROW(AlignedBuffer(std::size_t{1} << 50), Error);  // a kernel's own scratch memory
#endif
}

}  // namespace
}  // namespace switchyard::kernels
