#include "kernels/api/device.h"

#include <cstring>
#include <stdexcept>
#include <utility>

#include "kernels/api/device_clock.h"
#include "kernels/api/host_clock.h"
#include "kernels/api/host_waits.h"
#include "kernels/api/read_back.h"
#include "kernels/cpu/parallel.h"
#include "kernels/simt/device_memory.h"
#include "kernels/simt/run_grid.h"

// Launches and copies of the SIMT executor are done when the call returns: nothing is ever queued.

namespace switchyard::kernels {
namespace {

simt::DeviceMemory& memory() { return simt::DeviceMemory::instance(); }

enum class Side { kHost, kDevice };

/// A GPU refuses a copy whose addresses lie on other sides than it says; so does this one.
void check_side(const void* address, Side side) {
  if (memory().holds(address) == (side == Side::kDevice)) return;
  throw std::invalid_argument(
      side == Side::kDevice ? "[copy] host memory where the device simt's is expected"
                            : "[copy] memory of the device simt where the host's is expected");
}

void copy_bytes(void* to, Side to_side, const void* from, Side from_side, std::size_t bytes) {
  if (bytes == 0) return;
  check_side(to, to_side);
  check_side(from, from_side);
  const simt::DeviceMemoryAccess access;
  std::memcpy(to, from, bytes);
}

}  // namespace

// ---- entry points

template <>
std::string unavailable_reason<Simt>() {
  return {};
}
template <>
Simt& default_executor() {
  static Simt executor;
  return executor;
}
template <>
std::string device_description(Simt&) {
  return "the SIMT executor on " + std::to_string(thread_count()) + " host threads";
}
template <>
void synchronise(Simt&) {}
template <>
std::uint64_t launch_count(const Simt& simt) {
  return simt.launches;
}

template <>
double device_seconds(Simt&, const std::function<void()>& call) {
  return host_seconds(call);
}
template <>
std::size_t shared_cache_bytes(const Simt&) {
  return 0;
}

template <>
void begin_range(Simt&, std::string_view) {}
template <>
void end_range(Simt&) noexcept {}

template <>
MemoryBlock allocate(Simt&, std::size_t bytes) {
  return memory().allocate(bytes);
}
template <>
void release(Simt&, MemoryBlock block) noexcept {
  memory().release(block);
}
template <>
MemoryStats memory_stats(Simt&) {
  return memory().stats();
}
template <>
void reset_peak_memory(Simt&) {
  memory().reset_peak();
}
template <>
void release_cached_memory(Simt&) {
  memory().trim();
}

template <>
void copy_to_device(Simt&, void* to, const void* from, std::size_t bytes) {
  copy_bytes(to, Side::kDevice, from, Side::kHost, bytes);
}
template <>
void copy_to_host(Simt&, void* to, const void* from, std::size_t bytes) {
  note_host_wait();
  copy_bytes(to, Side::kHost, from, Side::kDevice, bytes);
}
template <>
LowestNumber* fault_word(Simt&) {
  static LowestNumber word = kNoFault;
  return &word;
}
template <>
LowestNumber read_back(Simt& exec, std::span<const HostCopy> copies) {
  note_host_wait();
  for (const HostCopy& copy : copies) {
    copy_bytes(copy.to, Side::kHost, copy.from, Side::kDevice, copy.bytes);
  }
  return std::exchange(*fault_word(exec), kNoFault);
}
template <>
void copy_within_device(Simt&, void* to, const void* from, std::size_t bytes) {
  copy_bytes(to, Side::kDevice, from, Side::kDevice, bytes);
}
template <>
void clear(Simt&, void* to, std::size_t bytes) {
  if (bytes == 0) return;
  check_side(to, Side::kDevice);
  const simt::DeviceMemoryAccess access;
  std::memset(to, 0, bytes);
}

}  // namespace switchyard::kernels
