#pragma once

#include <atomic>
#include <cstdint>

namespace switchyard::kernels {

namespace internal {
inline std::atomic<std::uint64_t> host_wait_counter = 0;
}

/// Counts how often the host waited for a device since the program started: each result that it
/// read back and each call of synchronise(). On the executors that run on the host nothing is
/// enqueued and so nothing waits, but copy_to_host() counts as well: the same sequence of kernels
/// waits there on a GPU. (The read of a fault does not count on the cpu, where each operation looks
/// for its own; elsewhere nobody waits for it.)
inline std::uint64_t host_waits() {
  return internal::host_wait_counter.load(std::memory_order_relaxed);
}

/// Called by every executor that waits, or would.
inline void note_host_wait() {
  internal::host_wait_counter.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace switchyard::kernels
