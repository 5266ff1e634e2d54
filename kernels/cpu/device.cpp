#include "kernels/api/device.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <stdexcept>

#include "kernels/cpu/parallel.h"

namespace switchyard::kernels {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;
// Smaller blocks go to malloc, which is good at them. Larger ones are kept here: handing 30 MB back
// to the kernel after every operation costs more in page faults than the operation itself.
constexpr std::size_t kLargeBlock = std::size_t{256} << 10;

/// Best-fit cache of large host blocks. A free block serves a request that fills at least three
/// quarters of it, so that reuse cannot inflate the resident size by more than a third. Live and
/// cached bytes together stay within five quarters of the live peak: beyond that the largest idle
/// blocks go back to the kernel. A graph that dies thus leaves its memory to the next one.
class HostAllocator {
 public:
  MemoryBlock allocate(std::size_t bytes) {
    const bool large = bytes >= kLargeBlock;
    std::size_t capacity = large ? round_up(bytes, kHugePage / 8) : round_up(bytes, kAlignment);
    const std::lock_guard lock(mutex_);
    void* data = large ? take_cached(&capacity) : nullptr;
    if (data == nullptr) {
      if (large) trim_to(limit() - std::min(limit(), stats_.live + capacity));
      data = map_block(capacity, large);
    }
    if (data == nullptr) {
      throw std::runtime_error("out of memory: could not allocate " + std::to_string(bytes) +
                               " bytes on cpu");
    }
    stats_.live += capacity;
    stats_.peak = std::max(stats_.peak, stats_.live);
    return {data, capacity};
  }

  void release(MemoryBlock block) noexcept {
    const std::lock_guard lock(mutex_);
    stats_.live -= block.capacity;
    if (block.capacity < kLargeBlock) {
      std::free(block.data);
      return;
    }
    free_.emplace(block.capacity, block.data);
    stats_.cached += block.capacity;
    trim_to(limit() - std::min(limit(), stats_.live));
  }

  void trim() {
    const std::lock_guard lock(mutex_);
    trim_to(0);
  }

  MemoryStats stats() {
    const std::lock_guard lock(mutex_);
    return stats_;
  }

  void reset_peak() {
    const std::lock_guard lock(mutex_);
    stats_.peak = stats_.live;
  }

 private:
  static std::size_t round_up(std::size_t bytes, std::size_t unit) {
    return std::max((bytes + unit - 1) / unit, std::size_t{1}) * unit;
  }

  void* take_cached(std::size_t* capacity) {
    const auto fit = free_.lower_bound(*capacity);
    if (fit == free_.end() || fit->first - *capacity > fit->first / 4) return nullptr;
    *capacity = fit->first;
    void* block = fit->second;
    stats_.cached -= fit->first;
    free_.erase(fit);
    return block;
  }

  static void* map_block(std::size_t capacity, bool large) {
    if (!large) return std::aligned_alloc(kAlignment, capacity);
    void* block =
        mmap(nullptr, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) return nullptr;
    if (capacity >= kHugePage) madvise(block, capacity, MADV_HUGEPAGE);  // advice: may be refused
    return block;
  }

  /// Of live and cached bytes together.
  std::size_t limit() const {
    constexpr std::size_t kSmallest = std::size_t{64} << 20;
    return std::max(stats_.peak + stats_.peak / 4, kSmallest);
  }

  void trim_to(std::size_t cached) {
    while (stats_.cached > cached) {
      const auto largest = std::prev(free_.end());
      munmap(largest->second, largest->first);
      stats_.cached -= largest->first;
      free_.erase(largest);
    }
  }

  std::mutex mutex_;
  std::multimap<std::size_t, void*> free_;
  MemoryStats stats_;
};

/// Never destroyed, so that tensors in static storage may outlive it.
HostAllocator& allocator() {
  static auto* instance = new HostAllocator;
  return *instance;
}

void copy_bytes(void* to, const void* from, std::size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);
}

}  // namespace

// ---- entry points

template <>
std::string unavailable_reason<Cpu>() {
  return {};
}
template <>
Cpu& default_executor() {
  static Cpu executor;
  return executor;
}
template <>
std::string device_description(Cpu&) {
  return "the host, " + std::to_string(thread_count()) + " threads";
}
template <>
void synchronise(Cpu&) {}
template <>
std::uint64_t launch_count(const Cpu&) {
  return 0;
}

template <>
void begin_range(Cpu&, std::string_view) {}
template <>
void end_range(Cpu&) noexcept {}

template <>
MemoryBlock allocate(Cpu&, std::size_t bytes) {
  return allocator().allocate(bytes);
}
template <>
void release(Cpu&, MemoryBlock block) noexcept {
  allocator().release(block);
}
template <>
MemoryStats memory_stats(Cpu&) {
  return allocator().stats();
}
template <>
void reset_peak_memory(Cpu&) {
  allocator().reset_peak();
}
template <>
void release_cached_memory(Cpu&) {
  allocator().trim();
}

template <>
void copy_to_device(Cpu&, void* to, const void* from, std::size_t bytes) {
  copy_bytes(to, from, bytes);
}
template <>
void copy_to_host(Cpu&, void* to, const void* from, std::size_t bytes) {
  copy_bytes(to, from, bytes);
}
template <>
void copy_within_device(Cpu&, void* to, const void* from, std::size_t bytes) {
  copy_bytes(to, from, bytes);
}
template <>
void clear(Cpu&, void* to, std::size_t bytes) {
  if (bytes > 0) std::memset(to, 0, bytes);
}

}  // namespace switchyard::kernels
