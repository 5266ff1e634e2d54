#pragma once

#include <cstddef>
#include <memory>

#include "engine/core/device.h"

namespace switchyard {

/// Bytes held by the engine's allocator on one device.
struct MemoryStats {
  std::size_t live = 0;    ///< in tensors now
  std::size_t peak = 0;    ///< most that was live since the last reset_peak_memory()
  std::size_t cached = 0;  ///< free blocks kept for reuse
};

MemoryStats memory_stats(Device device);
void reset_peak_memory(Device device);
/// Gives cached blocks back to the operating system.
void release_cached_memory(Device device);

/// One reference-counted block of device memory; the last owner returns it to the allocator at
/// once. Contents start uninitialised. Aligned to 64 bytes.
class Storage {
 public:
  /// Errors: out of memory, with the size asked for.
  Storage(std::size_t bytes, Device device);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  void* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }
  Device device() const { return device_; }

 private:
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
  std::size_t capacity_ = 0;  // size of the block that the allocator handed out
  Device device_ = Device::kCpu;
};

}  // namespace switchyard
