#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

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

class Storage;

/// Hears of every storage that comes and goes, from whatever thread. Its functions must not
/// allocate device memory.
class MemoryObserver {
 public:
  MemoryObserver() = default;
  virtual ~MemoryObserver() = default;
  MemoryObserver(const MemoryObserver&) = delete;
  MemoryObserver& operator=(const MemoryObserver&) = delete;

  virtual void allocated(const Storage& storage) noexcept = 0;
  virtual void freed(const Storage& storage) noexcept = 0;
};

/// From now on `observer` hears of storages; null for nobody. Returns whoever heard of them before.
/// Nothing may allocate or free on other threads meanwhile.
MemoryObserver* observe_memory(MemoryObserver* observer);

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
  /// What the allocator counts for it: at least bytes().
  std::size_t capacity() const { return block_.capacity; }
  Device device() const { return device_; }

  /// A number that changes with every mark_overwritten().
  std::uint64_t version() const { return version_.load(std::memory_order_relaxed); }
  /// Whoever writes in place says so. Threads that write different elements may say so at once.
  void mark_overwritten() {
    version_.store(version() + 1, std::memory_order_relaxed);  // no addition that others wait for
  }

 private:
  kernels::MemoryBlock block_;
  std::atomic<std::uint64_t> version_ = 0;
  std::size_t bytes_ = 0;
  Device device_ = Device::kCpu;
};

}  // namespace switchyard
