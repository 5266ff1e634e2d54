#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>

#include "kernels/api/error.h"

namespace switchyard::kernels {

/// Uninitialised memory, aligned to 64 bytes (a cache line and the widest vector). Errors:
/// OutOfMemory.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t bytes) : bytes_((bytes + kAlignment - 1) & ~(kAlignment - 1)) {
    block_.reset(std::aligned_alloc(kAlignment, bytes_));
    if (block_ == nullptr && bytes_ > 0) throw OutOfMemory(bytes, "cpu");
  }

  void* data() const { return block_.get(); }
  std::size_t bytes() const { return bytes_; }

 private:
  static constexpr std::size_t kAlignment = 64;
  struct Free {
    void operator()(void* block) const { std::free(block); }
  };

  std::unique_ptr<void, Free> block_;
  std::size_t bytes_ = 0;
};

}  // namespace switchyard::kernels
