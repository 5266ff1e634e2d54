#pragma once

#include <cstddef>

#include "engine/core/device.h"
#include "kernels/api/device.h"

namespace switchyard {

/// Bytes held by the engine's allocator on one device.
using kernels::MemoryStats;

MemoryStats memory_stats(Device device);
void reset_peak_memory(Device device);
/// Gives cached blocks back to the driver or the operating system.
void release_cached_memory(Device device);

/// Copies between any two devices' memories, the host's being kCpu's. `from` may change as soon as
/// this returns, and what was copied to the host is there.
void copy_memory(Device to_device, void* to, Device from_device, const void* from,
                 std::size_t bytes);
/// All bytes 0.
void clear_memory(Device device, void* to, std::size_t bytes);

/// One reference-counted block of device memory; the last owner returns it to the allocator at
/// once. Contents start uninitialised. Aligned to 64 bytes.
class Storage {
 public:
  /// Errors: out of memory, with the size asked for; a device that this build lacks.
  Storage(std::size_t bytes, Device device);
  ~Storage();  // NOLINT(bugprone-exception-escape): the device was there to allocate on
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  /// An address on the device: for kernels and copies, and for the host where the device is kCpu.
  void* data() const { return block_.data; }
  std::size_t bytes() const { return bytes_; }
  Device device() const { return device_; }

 private:
  kernels::MemoryBlock block_;
  std::size_t bytes_ = 0;
  Device device_ = Device::kCpu;
};

}  // namespace switchyard
