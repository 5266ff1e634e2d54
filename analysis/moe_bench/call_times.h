#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "analysis/timing.h"
#include "engine/core/device.h"

namespace switchyard::moe_bench {

/// What the calls of one candidate took.
struct CallTimes {
  /// On a GPU each call follows another of the same, so that what fits its L2 cache lies there.
  Timing warm;
  /// After as many bytes as the L2 cache has were written; none where kernels run on the host.
  std::optional<Timing> cold;
};

/// Times calls that enqueue work on `device`, in turns: on a GPU by events on its stream, which
/// leave out what runs before them, elsewhere by the host's clock. Allocates the memory that
/// empties the cache before it begins. Errors: those of the calls.
std::vector<CallTimes> time_in_turns(Device device, const std::vector<std::function<void()>>& calls,
                                     const TimingOptions& options);

/// Bytes of the device's L2 cache; 0 on the host.
double cache_bytes(Device device);

}  // namespace switchyard::moe_bench
