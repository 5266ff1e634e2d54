#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>

#include "kernels/api/device.h"

namespace switchyard::kernels::simt {

/// The SIMT executor's device memory: host memory that nobody can read or write except while a
/// kernel or a copy runs. Code that would dereference a GPU's pointer on the host crashes here too,
/// with a line on stderr that says so; thus a program that works on `simt` never does.
///
/// One range of addresses is reserved once; blocks are cut from it, best fit first, and joined with
/// their free neighbours when they come back. A new block is full of NaN (all bits set).
class DeviceMemory {
 public:
  /// The process's, never destroyed: tensors in static storage may outlive everything.
  static DeviceMemory& instance();

  /// Errors: OutOfMemory where the range is used up.
  MemoryBlock allocate(std::size_t bytes);
  void release(MemoryBlock block) noexcept;
  MemoryStats stats();
  void reset_peak();
  /// Gives the pages of free blocks back to the operating system.
  void trim();

  /// Opens the memory while at least one Access exists, on all threads. Errors: Error where the
  /// system refuses.
  void open();
  void close() noexcept;
  /// Whether the address lies in the reserved range; safe within a signal handler.
  bool contains(const void* address) const;

  /// Host memory that counts as the device's until it is taken back, without protection: for whom
  /// AddressSanitizer shall see each block's end.
  void lend(const void* block, std::size_t bytes);
  void take_back(const void* block) noexcept;
  /// Whether the address is the device's: contained, or lent.
  bool holds(const void* address);

 private:
  DeviceMemory();
  std::optional<std::size_t> take(std::size_t bytes);
  std::optional<std::size_t> take_from_top(std::size_t bytes);

  std::mutex mutex_;
  std::byte* base_ = nullptr;
  std::size_t reserved_ = 0;
  std::size_t used_ = 0;  // bytes from base_ that were ever handed out, in whole pages
  std::size_t top_ = 0;   // where the last block ends
  int open_ = 0;          // Accesses that exist
  std::map<std::size_t, std::size_t> free_;       // offset -> size
  std::map<const std::byte*, std::size_t> lent_;  // block -> size
  MemoryStats stats_;
};

/// Within its scope device memory may be touched: what a kernel launch and a copy hold. Nests.
class DeviceMemoryAccess {
 public:
  DeviceMemoryAccess() { DeviceMemory::instance().open(); }
  ~DeviceMemoryAccess() { DeviceMemory::instance().close(); }
  DeviceMemoryAccess(const DeviceMemoryAccess&) = delete;
  DeviceMemoryAccess& operator=(const DeviceMemoryAccess&) = delete;
};

}  // namespace switchyard::kernels::simt
