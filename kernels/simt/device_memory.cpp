#include "kernels/simt/device_memory.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

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
  sigaction(signal, &previous_action[signal == SIGBUS ? 1 : 0], nullptr);
}

void install_handler() {
  struct sigaction action = {};
  action.sa_sigaction = explain_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGSEGV, &action, &previous_action[0]);
  sigaction(SIGBUS, &action, &previous_action[1]);
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
    madvise(base_, reserved_, MADV_HUGEPAGE);  // fewer pages to protect; may be refused
    install_handler();
    return;
  }
  throw std::runtime_error("device simt: the system refuses even 1 GiB of addresses");
}

bool DeviceMemory::contains(const void* address) const {
  const auto* byte = static_cast<const std::byte*>(address);
  return byte >= base_ && byte < base_ + reserved_;
}

void DeviceMemory::protect(int protection) {
  if (used_ == 0) return;
  if (mprotect(base_, used_, protection) != 0) {
    throw std::runtime_error(std::string("device simt: mprotect: ") + std::strerror(errno));
  }
}

void DeviceMemory::open() {
  const std::lock_guard lock(mutex_);
  if (open_ == 0) protect(PROT_READ | PROT_WRITE);
  ++open_;
}

void DeviceMemory::close() noexcept {
  const std::lock_guard lock(mutex_);
  if (--open_ == 0) protect(PROT_NONE);
}

/// Offset of `bytes` free bytes: of the smallest free block that holds them, else at the top.
std::size_t DeviceMemory::take(std::size_t bytes) {
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
  if (bytes > reserved_ - top_) {
    throw std::runtime_error("out of memory: could not allocate " + std::to_string(bytes) +
                             " bytes on simt");
  }
  const std::size_t offset = top_;
  top_ += bytes;
  if (top_ > used_) {
    const std::size_t grown = round_up(top_, kProtectedUnit);
    if (open_ > 0) mprotect(base_ + used_, grown - used_, PROT_READ | PROT_WRITE);
    used_ = grown;
  }
  return offset;
}

MemoryBlock DeviceMemory::allocate(std::size_t bytes) {
  const std::size_t capacity = round_up(std::max(bytes, std::size_t{1}), kAlignment);
  MemoryBlock block{nullptr, capacity};
  {
    const std::lock_guard lock(mutex_);
    block.data = base_ + take(capacity);
    stats_.live += capacity;
    stats_.peak = std::max(stats_.peak, stats_.live);
  }
  const DeviceMemoryAccess access;
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
    if (begin < end) madvise(base_ + begin, end - begin, MADV_DONTNEED);
  };
  for (const auto& [offset, size] : free_) give_back(offset, offset + size);
  give_back(top_, used_);
}

}  // namespace switchyard::kernels::simt
