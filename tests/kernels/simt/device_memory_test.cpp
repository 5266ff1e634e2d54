#include "kernels/simt/device_memory.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/api/error.h"
#include "kernels/api/run.h"
#include "kernels/api/shape.h"
#include "kernels/simt/run_grid.h"

namespace switchyard::kernels {
namespace {

static_assert(std::is_base_of_v<Error, simt::KernelError>);

Simt& simt() { return default_executor<Simt>(); }

/// A device array with the bytes of `values`.
class DeviceArray {
 public:
  explicit DeviceArray(const std::vector<float>& values)
      : size_(values.size()), block_(allocate(simt(), values.size() * sizeof(float))) {
    copy_to_device(simt(), data(), values.data(), size_ * sizeof(float));
  }
  ~DeviceArray() { release(simt(), block_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  float* data() const { return static_cast<float*>(block_.data); }
  std::vector<float> values() const {
    std::vector<float> host(size_);
    copy_to_host(simt(), host.data(), data(), size_ * sizeof(float));
    return host;
  }

 private:
  std::size_t size_;
  MemoryBlock block_;
};

TEST(SimtMemoryTest, CopiesAndKernelsReachIt) {
  const DeviceArray x({1.0F, 2.0F, 3.0F});
  const DeviceArray y({0.0F, 0.0F, 0.0F});
  run(simt(), Copy<float>{.x = x.data(), .y = y.data(), .count = 3});
  EXPECT_EQ(y.values(), x.values());
  clear(simt(), y.data() + 1, sizeof(float));
  EXPECT_EQ(y.values(), (std::vector{1.0F, 0.0F, 3.0F}));
  copy_within_device(simt(), y.data() + 1, x.data() + 1, sizeof(float));
  EXPECT_EQ(y.values(), x.values());
}

TEST(SimtMemoryTest, NewBlocksAreFullOfNan) {
  const MemoryBlock block = allocate(simt(), 100 * sizeof(float));
  std::vector<float> values(100, 0.0F);
  copy_to_host(simt(), values.data(), block.data, 100 * sizeof(float));
  for (float value : values) EXPECT_TRUE(std::isnan(value));
  release(simt(), block);
}

TEST(SimtMemoryTest, CopiesCheckOnWhichSideAnAddressLies) {
  const DeviceArray x({1.0F});
  float host = 0.0F;
  EXPECT_THROW(copy_to_device(simt(), &host, &host, sizeof(host)), std::invalid_argument);
  EXPECT_THROW(copy_to_device(simt(), x.data(), x.data(), sizeof(host)), std::invalid_argument);
  EXPECT_THROW(copy_to_host(simt(), &host, &host, sizeof(host)), std::invalid_argument);
  EXPECT_THROW(copy_to_host(simt(), x.data(), x.data(), sizeof(host)), std::invalid_argument);
  EXPECT_THROW(clear(simt(), &host, sizeof(host)), std::invalid_argument);
}

/// Each access would crash on a GPU.
TEST(SimtMemoryDeathTest, TheHostMayNotTouchIt) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const char* message = "host code reads or writes memory of the device simt";
  EXPECT_DEATH(
      {
        const DeviceArray x({1.0F});
        volatile float value = *x.data();
        (void)value;
      },
      message);
  EXPECT_DEATH(
      {
        const DeviceArray x({1.0F});
        *static_cast<volatile float*>(x.data()) = 2.0F;
      },
      message);
}

TEST(SimtMemoryTest, AnOpenAccessLetsTheHostIn) {
  const DeviceArray x({4.0F});
  const simt::DeviceMemoryAccess outer;
  { const simt::DeviceMemoryAccess inner; }
  EXPECT_EQ(*x.data(), 4.0F);
}

TEST(SimtMemoryTest, BlocksNeverOverlapAndAllComeBack) {
  const MemoryStats before = memory_stats(simt());
  struct Owned {
    MemoryBlock block;
    std::size_t bytes;
    float mark;
  };
  std::vector<Owned> owned;
  std::mt19937 random(5);
  const auto expect_marks = [](const Owned& o) {
    std::vector<float> values(o.bytes / sizeof(float));
    copy_to_host(simt(), values.data(), o.block.data, values.size() * sizeof(float));
    for (float value : values) ASSERT_EQ(value, o.mark);
  };
  for (int step = 0; step < 400; ++step) {
    if (owned.empty() || random() % 5 < 3) {
      const std::size_t bytes = random() % 3000 / sizeof(float) * sizeof(float);
      const auto mark = static_cast<float>(step);
      const MemoryBlock block = allocate(simt(), bytes);
      ASSERT_NE(block.data, nullptr);
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(block.data) % 256, 0U);
      ASSERT_GE(block.capacity, bytes);
      run(simt(), Fill<float>{.y = static_cast<float*>(block.data),
                              .value = mark,
                              .count = static_cast<std::int64_t>(bytes / sizeof(float))});
      owned.push_back({block, bytes, mark});
    } else {
      const std::size_t which = random() % owned.size();
      expect_marks(owned[which]);
      release(simt(), owned[which].block);
      owned.erase(owned.begin() + static_cast<std::ptrdiff_t>(which));
    }
  }
  EXPECT_GT(memory_stats(simt()).live, before.live);
  release_cached_memory(simt());  // what is in use stays as it is
  for (const Owned& each : owned) {
    expect_marks(each);
    release(simt(), each.block);
  }
  EXPECT_EQ(memory_stats(simt()).live, before.live);
  EXPECT_LE(memory_stats(simt()).cached, before.cached);  // free neighbours became one
}

TEST(SimtMemoryTest, OutOfMemorySaysSo) {
  const std::size_t live = memory_stats(simt()).live;
  for (const std::size_t bytes : {(std::size_t{1} << 50) + 1, ~std::size_t{0}}) {
    try {
      allocate(simt(), bytes);
      FAIL() << "got " << bytes << " bytes";
    } catch (const OutOfMemory& error) {
      EXPECT_EQ(error.what(),
                "out of memory: could not allocate " + std::to_string(bytes) + " bytes on simt");
    }
  }
  EXPECT_EQ(memory_stats(simt()).live, live);
}

}  // namespace
}  // namespace switchyard::kernels
