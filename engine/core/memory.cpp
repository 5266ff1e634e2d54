#include "engine/core/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <mutex>

#include "engine/core/check.h"

namespace switchyard {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;
// Smaller blocks go to malloc, which is good at them. Larger ones are kept here: handing 30 MB back
// to the kernel after every operation costs more in page faults than the operation itself.
constexpr std::size_t kLargeBlock = std::size_t{256} << 10;

/// Best-fit cache of large host blocks. A free block serves a request that fills at least three
/// quarters of it, so that reuse cannot inflate the resident size by more than a third; when cached
/// bytes exceed the live peak's half, the largest idle blocks go back to the kernel.
class HostAllocator {
 public:
  void* allocate(std::size_t bytes, std::size_t* capacity) {
    const bool large = bytes >= kLargeBlock;
    *capacity = large ? round_up(bytes, kHugePage / 8) : round_up(bytes, kAlignment);
    const std::lock_guard lock(mutex_);
    void* block = large ? take_cached(capacity) : nullptr;
    if (block == nullptr) block = map_block(*capacity, large);
    check(block != nullptr, "out of memory: could not allocate {} bytes on cpu", bytes);
    stats_.live += *capacity;
    stats_.peak = std::max(stats_.peak, stats_.live);
    return block;
  }

  void release(void* block, std::size_t capacity) {
    const std::lock_guard lock(mutex_);
    stats_.live -= capacity;
    if (capacity < kLargeBlock) {
      std::free(block);
      return;
    }
    free_.emplace(capacity, block);
    stats_.cached += capacity;
    while (stats_.cached > std::max(stats_.peak / 2, std::size_t{64} << 20)) unmap_largest();
  }

  void trim() {
    const std::lock_guard lock(mutex_);
    while (!free_.empty()) unmap_largest();
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

  void unmap_largest() {
    const auto largest = std::prev(free_.end());
    munmap(largest->second, largest->first);
    stats_.cached -= largest->first;
    free_.erase(largest);
  }

  std::mutex mutex_;
  std::multimap<std::size_t, void*> free_;
  MemoryStats stats_;
};

/// Never destroyed, so that tensors in static storage may outlive it.
HostAllocator& host_allocator() {
  static auto* allocator = new HostAllocator;
  return *allocator;
}

}  // namespace

// Every device of this build keeps its tensors in host memory.
MemoryStats memory_stats(Device /*device*/) { return host_allocator().stats(); }
void reset_peak_memory(Device /*device*/) { host_allocator().reset_peak(); }
void release_cached_memory(Device /*device*/) { host_allocator().trim(); }

Storage::Storage(std::size_t bytes, Device device) : bytes_(bytes), device_(device) {
  data_ = host_allocator().allocate(bytes, &capacity_);
}

Storage::~Storage() { host_allocator().release(data_, capacity_); }

}  // namespace switchyard
