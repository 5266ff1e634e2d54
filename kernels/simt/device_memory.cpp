#include "kernels/simt/device_memory.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <new>
#include <string>

#include "kernels/api/error.h"

namespace switchyard::kernels::simt {
namespace {

constexpr std::size_t kLargestReservation = std::size_t{1} << 38;  // addresses only, no memory
constexpr std::size_t kSmallestReservation = std::size_t{1} << 30;
constexpr std::size_t kAlignment = 256;                       // as cudaMalloc
constexpr std::size_t kProtectedUnit = std::size_t{2} << 20;  // a huge page

std::size_t round_up(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

struct sigaction previous_action[2];  // of SIGSEGV and SIGBUS

/// Says what happened where the address is ours, then leaves the fault to whoever would have had
/// it: the access runs again, without this handler.
void explain_fault(int signal, siginfo_t* info, void*) {
  if (DeviceMemory::instance().contains(info->si_addr)) {
    constexpr char kText[] =
        "switchyard: host code reads or writes memory of the device simt outside a kernel or a "
        "copy; on a GPU this would crash as well\n";
    [[maybe_unused]] const auto ignored = write(STDERR_FILENO, kText, sizeof(kText) - 1);
  }
  // Cannot fail: it names a signal that may be caught and an action that the system gave.
  static_cast<void>(sigaction(signal, &previous_action[signal == SIGBUS ? 1 : 0], nullptr));
}

[[noreturn]] void fail(const char* call) {
  throw Error(std::string("device simt: ") + call + ": " + std::strerror(errno));
}

void protect(void* begin, std::size_t bytes, int protection) {
  if (bytes > 0 && mprotect(begin, bytes, protection) != 0) fail("mprotect");
}

void install_handler() {
  struct sigaction action = {};
  action.sa_sigaction = explain_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  if (sigaction(SIGSEGV, &action, &previous_action[0]) != 0) fail("sigaction");
  if (sigaction(SIGBUS, &action, &previous_action[1]) != 0) fail("sigaction");
}

}  // namespace

DeviceMemory& DeviceMemory::instance() {
  static auto* memory = new DeviceMemory;
  return *memory;
}

DeviceMemory::DeviceMemory() {
  for (reserved_ = kLargestReservation; reserved_ >= kSmallestReservation; reserved_ /= 2) {
    void* range =
        mmap(nullptr, reserved_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (range == MAP_FAILED) continue;  // a limit on addresses, such as ulimit -v
    base_ = static_cast<std::byte*>(range);
    // Fewer pages to protect. This is advice, which may be refused.
    static_cast<void>(madvise(base_, reserved_, MADV_HUGEPAGE));
    install_handler();
    return;
  }
  throw Error("device simt: the system refuses even 1 GiB of addresses");
}

bool DeviceMemory::contains(const void* address) const {
  const auto* byte = static_cast<const std::byte*>(address);
  return byte >= base_ && byte < base_ + reserved_;
}

void DeviceMemory::lend(const void* block, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  lent_[static_cast<const std::byte*>(block)] = bytes;
}

void DeviceMemory::take_back(const void* block) noexcept {
  const std::lock_guard lock(mutex_);
  lent_.erase(static_cast<const std::byte*>(block));
}

bool DeviceMemory::holds(const void* address) {
  if (contains(address)) return true;
  const auto* byte = static_cast<const std::byte*>(address);
  const std::lock_guard lock(mutex_);
  const auto after = lent_.upper_bound(byte);
  if (after == lent_.begin()) return false;
  const auto& [block, bytes] = *std::prev(after);
  return byte == block || byte < block + bytes;
}

void DeviceMemory::open() {
  const std::lock_guard lock(mutex_);
  if (open_ == 0) protect(base_, used_, PROT_READ | PROT_WRITE);
  ++open_;
}

void DeviceMemory::close() noexcept {
  const std::lock_guard lock(mutex_);
  if (--open_ > 0 || used_ == 0) return;
  // Where the system refuses, the memory stays open: results are right, stray accesses not found.
  static_cast<void>(mprotect(base_, used_, PROT_NONE));
}

/// Offset of `bytes` free bytes: of the smallest free block that holds them, else at the top. None
/// where the range is used up.
std::optional<std::size_t> DeviceMemory::take(std::size_t bytes) {
  auto best = free_.end();
  for (auto block = free_.begin(); block != free_.end(); ++block) {
    if (block->second < bytes) continue;
    if (best == free_.end() || block->second < best->second) best = block;
  }
  if (best != free_.end()) {
    const auto [offset, size] = *best;
    free_.erase(best);
    if (size > bytes) free_.emplace(offset + bytes, size - bytes);
    stats_.cached -= bytes;
    return offset;
  }
  return take_from_top(bytes);
}

std::optional<std::size_t> DeviceMemory::take_from_top(std::size_t bytes) {
  if (bytes > reserved_ - top_) return std::nullopt;
  const std::size_t offset = top_;
  if (offset + bytes > used_) {
    const std::size_t grown = round_up(offset + bytes, kProtectedUnit);
    if (open_ > 0) protect(base_ + used_, grown - used_, PROT_READ | PROT_WRITE);
    used_ = grown;
  }
  top_ = offset + bytes;
  return offset;
}

MemoryBlock DeviceMemory::allocate(std::size_t bytes) {
  if (bytes > std::numeric_limits<std::size_t>::max() - kAlignment)
    throw OutOfMemory(bytes, "simt");
  const std::size_t capacity = round_up(std::max(bytes, std::size_t{1}), kAlignment);
  MemoryBlock block{nullptr, capacity};
  const DeviceMemoryAccess access;  // before anything is taken, which would be lost if this failed
  {
    const std::lock_guard lock(mutex_);
    const std::optional<std::size_t> offset = take(capacity);
    if (!offset) throw OutOfMemory(bytes, "simt");
    block.data = base_ + *offset;
    stats_.live += capacity;
    stats_.peak = std::max(stats_.peak, stats_.live);
  }
  std::memset(block.data, 0xFF, capacity);
  return block;
}

void DeviceMemory::release(MemoryBlock block) noexcept {
  const std::lock_guard lock(mutex_);
  stats_.live -= block.capacity;
  stats_.cached += block.capacity;
  auto here = free_.emplace(static_cast<std::byte*>(block.data) - base_, block.capacity).first;
  if (const auto next = std::next(here);
      next != free_.end() && here->first + here->second == next->first) {
    here->second += next->second;
    free_.erase(next);
  }
  if (here != free_.begin()) {
    const auto before = std::prev(here);
    if (before->first + before->second == here->first) {
      before->second += here->second;
      free_.erase(here);
      here = before;
    }
  }
  if (here->first + here->second == top_) {  // the last block: the top comes down
    stats_.cached -= here->second;
    top_ = here->first;
    free_.erase(here);
  }
}

MemoryStats DeviceMemory::stats() {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void DeviceMemory::reset_peak() {
  const std::lock_guard lock(mutex_);
  stats_.peak = stats_.live;
}

void DeviceMemory::trim() {
  const std::lock_guard lock(mutex_);
  const auto give_back = [&](std::size_t begin, std::size_t end) {
    begin = round_up(begin, kProtectedUnit);
    end = end / kProtectedUnit * kProtectedUnit;
    // Pages that the system does not take back stay ours, as before.
    if (begin < end) static_cast<void>(madvise(base_ + begin, end - begin, MADV_DONTNEED));
  };
  for (const auto& [offset, size] : free_) give_back(offset, offset + size);
  give_back(top_, used_);
}

}  // namespace switchyard::kernels::simt
