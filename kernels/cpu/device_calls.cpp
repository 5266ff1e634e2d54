#include "kernels/api/device.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>
#include <new>
#include <utility>

#include "kernels/api/device_clock.h"
#include "kernels/api/error.h"
#include "kernels/api/host_clock.h"
#include "kernels/api/host_waits.h"
#include "kernels/api/read_back.h"
#include "kernels/cpu/parallel.h"

namespace switchyard::kernels {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;
// Smaller blocks go to malloc, which is good at them. Larger ones are kept here: handing 30 MB back
// to the kernel after every operation costs more in page faults than the operation itself.
constexpr std::size_t kLargeBlock = std::size_t{256} << 10;
constexpr std::size_t kLargestRequest = std::numeric_limits<std::size_t>::max() - kHugePage;

/// Best-fit cache of large host blocks. A free block serves a request that fills at least three
/// quarters of it, so that reuse cannot inflate the resident size by more than a third. Live and
/// cached bytes together stay within five quarters of the live peak: beyond that the largest idle
/// blocks go back to the kernel. A graph that dies thus leaves its memory to the next one.
class HostAllocator {
 public:
  MemoryBlock allocate(std::size_t bytes) {
    if (bytes > kLargestRequest) throw OutOfMemory(bytes, "cpu");
    MemoryBlock block{nullptr, capacity_for(bytes)};
    const std::lock_guard lock(mutex_);
    if (is_large(block.capacity)) {
      take_large(block);
    } else {
      block.data = std::aligned_alloc(kAlignment, block.capacity);
    }
    if (block.data == nullptr) throw OutOfMemory(bytes, "cpu");
    stats_.live += block.capacity;
    stats_.peak = std::max(stats_.peak, stats_.live);
    return block;
  }

  void release(MemoryBlock block) noexcept {
    const std::lock_guard lock(mutex_);
    stats_.live -= block.capacity;
    if (!is_large(block.capacity)) {
      std::free(block.data);
      return;
    }
    try {
      free_.emplace(block.capacity, block.data);
    } catch (const std::bad_alloc&) {  // no room for the note: the block goes back at once
      static_cast<void>(munmap(block.data, block.capacity));
      return;
    }
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

  /// Returns whether a block is mapped and cached here. Its capacity alone decides, when it is made
  /// and when it comes back: the request, which is up to 63 bytes smaller, may lie on the other
  /// side.
  static bool is_large(std::size_t capacity) { return capacity >= kLargeBlock; }

  static std::size_t capacity_for(std::size_t bytes) {
    const std::size_t small = round_up(bytes, kAlignment);
    return is_large(small) ? round_up(bytes, kHugePage / 8) : small;
  }

  /// Gives a large block memory from the cache, whose capacity it then has, or from the system;
  /// leaves it null where there is none.
  void take_large(MemoryBlock& block) {
    if (take_cached(block)) return;
    trim_to(limit() - std::min(limit(), stats_.live + block.capacity));
    block.data = map_block(block.capacity);
    if (block.data != nullptr) return;
    trim_to(0);  // what is cached may be what the system lacks
    block.data = map_block(block.capacity);
  }

  bool take_cached(MemoryBlock& block) {
    const auto fit = free_.lower_bound(block.capacity);
    if (fit == free_.end() || fit->first - block.capacity > fit->first / 4) return false;
    block = {fit->second, fit->first};
    stats_.cached -= fit->first;
    free_.erase(fit);
    return true;
  }

  static void* map_block(std::size_t capacity) {
    void* block =
        mmap(nullptr, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) return nullptr;
    if (capacity >= kHugePage) {  // advice: it may be refused
      static_cast<void>(madvise(block, capacity, MADV_HUGEPAGE));
    }
    return block;
  }

  /// Bounds live and cached bytes together.
  std::size_t limit() const {
    constexpr std::size_t kSmallest = std::size_t{64} << 20;
    return std::max(stats_.peak + stats_.peak / 4, kSmallest);
  }

  /// Gives the largest cached blocks back. The system may refuse one, where that would split a
  /// mapping and the process has as many as it may have: the rest then stays cached.
  void trim_to(std::size_t cached) {
    while (stats_.cached > cached) {
      const auto largest = std::prev(free_.end());
      if (munmap(largest->second, largest->first) != 0) return;
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
double device_seconds(Cpu&, const std::function<void()>& call) {
  return host_seconds(call);
}
template <>
std::size_t shared_cache_bytes(const Cpu&) {
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
  note_host_wait();
  copy_bytes(to, from, bytes);
}
template <>
LowestNumber* fault_word(Cpu&) {
  static LowestNumber word = kNoFault;
  return &word;
}
template <>
LowestNumber read_back(Cpu& exec, std::span<const HostCopy> copies) {
  for (const HostCopy& copy : copies) copy_bytes(copy.to, copy.from, copy.bytes);
  return std::exchange(*fault_word(exec), kNoFault);
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
