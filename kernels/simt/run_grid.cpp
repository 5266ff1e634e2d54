#include "kernels/simt/run_grid.h"

#include <algorithm>
#include <atomic>

#include "kernels/cpu/parallel.h"
#include "kernels/simt/block_runner.h"
#include "kernels/simt/device_memory.h"

namespace switchyard::kernels {
namespace simt {
namespace {

/// Fibers are kept for the next launch; one runner per host thread.
BlockRunner& runner() {
  thread_local BlockRunner instance;
  return instance;
}

}  // namespace

void run_grid(const Simt& simt, const char* kernel, const LaunchShape& shape,
              const std::function<void()>& thread_body) {
  check_launch(kernel, shape, simt.limits);
  const DeviceMemoryAccess access;
  const std::uint64_t blocks = shape.grid.count();
  std::atomic<std::uint64_t> next{0};
  const auto workers =
      static_cast<std::int64_t>(std::min(blocks, static_cast<std::uint64_t>(thread_count())));
  parallel_for(workers, 1, [&](std::int64_t, std::int64_t) {
    BlockRunner& mine = runner();
    mine.begin_launch(simt, kernel, shape, thread_body);
    try {
      for (std::uint64_t block = next++; block < blocks; block = next++) mine.run_block(block);
    } catch (...) {
      next = blocks;  // nobody starts another block
      throw;
    }
  });
}

BarrierVote barrier(bool predicate, Location location) {
  return runner().barrier(predicate, location);
}

void collective(unsigned mask, Combine combine, void* payload, Location location) {
  runner().collective(mask, combine, payload, location);
}

unsigned active_lanes() { return runner().active_lanes(); }

void atomic_pause(Location location) { runner().atomic_pause(location); }

AsyncCopies& async_copies() { return runner().async_copies(); }

}  // namespace simt
}  // namespace switchyard::kernels
