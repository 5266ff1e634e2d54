#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>

#include "kernels/api/error.h"
#include "kernels/common/dim3.h"

namespace switchyard::kernels {

/// Runs the CUDA kernels of kernels/cuda on the host, thread by thread: `launch`
/// (kernels/common/launch.h) accepts it where it accepts a CUDA stream. Launches are synchronous.
struct Simt {
  LaunchLimits limits;
  std::uint64_t launches = 0;  ///< grids launched so far
  /// A block in which nothing but waiting on atomics happens for this long counts as hanging.
  double hang_seconds = 10.0;
};

namespace simt {

/// A launch that cannot continue: a deadlock, a barrier that some thread never reaches, a
/// collective that names an absent lane. One line with kernel, block, thread and source line.
class KernelError : public Error {
 public:
  using Error::Error;
};

/// Runs `thread_body` once per CUDA thread of the launch. Blocks start in ascending order (x
/// fastest), spread over host threads; threads of a block share one host thread and switch at
/// barriers and collectives. Errors: std::invalid_argument for a launch over the limits;
/// KernelError; whatever a body throws. After an error the remaining blocks do not start.
void run_grid(const Simt& simt, const char* kernel, const LaunchShape& shape,
              const std::function<void()>& thread_body);

// ---- what a running CUDA thread can ask for (used by kernels/simt/dialect.h)

inline constexpr unsigned kWarpSize = 32;
/// Enough for the largest dynamic shared memory of any device (228 KiB on compute capability 9.0).
inline constexpr std::size_t kDynamicSharedBytes = std::size_t{228} << 10;

/// Identity of the CUDA thread that is running on this host thread.
struct ThreadIdentity {
  Dim3 thread;
  unsigned lane = 0;
};
struct BlockIdentity {
  Dim3 block;
  Dim3 block_extent;
  Dim3 grid_extent;
};
extern thread_local const ThreadIdentity* current_thread;
extern thread_local BlockIdentity current_block;

using Location = std::source_location;

/// Holds the result of a block-wide barrier over a predicate.
struct BarrierVote {
  int count = 0;    ///< threads with a true predicate
  int threads = 0;  ///< threads in the block
};
/// Waits until all threads of the block are at this source line.
BarrierVote barrier(bool predicate, Location location);

/// Combines the payloads of the participating lanes: `payload[lane]` for every lane set in `mask`.
using Combine = void (*)(void* const* payload, unsigned mask);
/// Waits until all lanes named in `mask` have arrived with the same `combine` and mask, applies it
/// once, and continues. The payload lives on the calling thread's stack.
void collective(unsigned mask, Combine combine, void* payload, Location location);

/// Lanes of this warp that have not returned.
unsigned active_lanes();

/// Called by every atomic: lets other threads of the block run now and then, so that waiting on an
/// atomic does not hang, and ends the launch if nothing but waiting happens.
void atomic_pause(Location location);

}  // namespace simt
}  // namespace switchyard::kernels
