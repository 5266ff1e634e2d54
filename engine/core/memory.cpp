#include "engine/core/memory.h"

#include <vector>

#include "engine/core/fault.h"
#include "engine/core/on_device.h"

namespace switchyard {
namespace {

std::atomic<MemoryObserver*> memory_observer = nullptr;

}  // namespace

MemoryObserver* observe_memory(MemoryObserver* observer) {
  return memory_observer.exchange(observer);
}

MemoryStats memory_stats(Device device) {
  return on_device(device, "memory_stats", [](auto& exec) { return kernels::memory_stats(exec); });
}

void reset_peak_memory(Device device) {
  on_device(device, "reset_peak_memory", [](auto& exec) { kernels::reset_peak_memory(exec); });
}

void release_cached_memory(Device device) {
  on_device(device, "release_cached_memory",
            [](auto& exec) { kernels::release_cached_memory(exec); });
}

void copy_memory(Device to_device, void* to, Device from_device, const void* from,
                 std::size_t bytes) {
  if (to_device == from_device) {
    on_device(to_device, "copy",
              [&](auto& exec) { kernels::copy_within_device(exec, to, from, bytes); });
  } else if (from_device == Device::kCpu) {
    on_device(to_device, "copy",
              [&](auto& exec) { kernels::copy_to_device(exec, to, from, bytes); });
  } else if (to_device == Device::kCpu) {
    const kernels::HostCopy copy = {to, from, bytes};
    read_memory(from_device, std::span(&copy, 1));
  } else {
    std::vector<std::byte> host(bytes);
    copy_memory(Device::kCpu, host.data(), from_device, from, bytes);
    copy_memory(to_device, to, Device::kCpu, host.data(), bytes);
  }
}

void clear_memory(Device device, void* to, std::size_t bytes) {
  on_device(device, "clear", [&](auto& exec) { kernels::clear(exec, to, bytes); });
}

Storage::Storage(std::size_t bytes, Device device) : bytes_(bytes), device_(device) {
  block_ =
      on_device(device, "allocate", [&](auto& exec) { return kernels::allocate(exec, bytes); });
  if (MemoryObserver* const observer = memory_observer.load(std::memory_order_acquire)) {
    observer->allocated(*this);
  }
}

Storage::~Storage() {  // NOLINT(bugprone-exception-escape): the device was there to allocate on
  if (MemoryObserver* const observer = memory_observer.load(std::memory_order_acquire)) {
    observer->freed(*this);
  }
  on_device(device_, "release", [&](auto& exec) { kernels::release(exec, block_); });
}

}  // namespace switchyard
