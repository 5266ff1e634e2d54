#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace switchyard::test {

/// Memory for a kernel's result: NaN in every element, so that one which is not written shows, and
/// guards before and after, so that one written out of bounds does too (checked at destruction).
template <class T>
class GuardedBuffer {
 public:
  explicit GuardedBuffer(std::int64_t size)
      : size_(size), memory_(static_cast<std::size_t>(size + 2 * kGuard), kMark) {
    for (std::int64_t i = 0; i < size; ++i) data()[i] = std::numeric_limits<T>::quiet_NaN();
  }
  ~GuardedBuffer() {
    for (std::int64_t i = 0; i < kGuard; ++i) {
      EXPECT_EQ(data()[-1 - i], kMark) << "written " << i + 1 << " elements before the beginning";
      EXPECT_EQ(data()[size_ + i], kMark) << "written " << i << " elements past the end";
    }
  }
  GuardedBuffer(const GuardedBuffer&) = delete;
  GuardedBuffer& operator=(const GuardedBuffer&) = delete;

  T* data() { return memory_.data() + kGuard; }
  std::vector<double> values() { return {data(), data() + size_}; }

 private:
  static constexpr std::int64_t kGuard = 16;
  static constexpr T kMark = T{-12345};
  std::int64_t size_;
  std::vector<T> memory_;
};

}  // namespace switchyard::test
