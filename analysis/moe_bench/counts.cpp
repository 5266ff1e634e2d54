#include "analysis/moe_bench/counts.h"

#include <algorithm>
#include <vector>

#include "engine/core/on_device.h"
#include "kernels/api/host_waits.h"

namespace switchyard::moe_bench {
namespace {

std::uint64_t launches_on(Device device) {
  return on_device(device, "bench", [](auto& exec) { return kernels::launch_count(exec); });
}

/// A call that has ended, with all that it called.
struct Ended {
  double begin, bytes, flops;
};

}  // namespace

Counts counts_of(const kernels::Profile& profile, double idle_bytes) {
  Counts counts;
  std::vector<Ended> outermost;  // so far; their callers have not ended yet
  for (const kernels::ProfileEvent& event : profile.events) {
    const bool is_layer = profile.rows[event.row].kernel.starts_with("moe_");
    double bytes = 0.0;
    double flops = 0.0;
    bool is_leaf = true;
    // Calls are listed as they end: those that began after this one were its own.
    for (; !outermost.empty() && outermost.back().begin >= event.begin; outermost.pop_back()) {
      bytes += outermost.back().bytes;
      flops += outermost.back().flops;
      is_leaf = false;
    }
    counts.kernels += is_leaf ? 1 : 0;
    const double declared = std::max(event.work.bytes - (is_layer ? idle_bytes : 0.0), 0.0);
    outermost.push_back(
        {event.begin, std::max(bytes, declared), std::max(flops, event.work.flops)});
  }
  for (const Ended& call : outermost) {
    counts.bytes += call.bytes;
    counts.flops += call.flops;
  }
  return counts;
}

Counts count(Device device, const std::function<void()>& call, double idle_bytes) {
  const std::uint64_t launches = launches_on(device);
  const std::uint64_t waits = kernels::host_waits();
  call();
  const std::uint64_t launched = launches_on(device) - launches;
  const std::uint64_t waited = kernels::host_waits() - waits;
  kernels::start_profile(true);
  try {
    call();
  } catch (...) {
    kernels::stop_profile();
    throw;
  }
  kernels::stop_profile();
  Counts counts = counts_of(kernels::profile(), idle_bytes);
  counts.launches = launched;
  counts.host_waits = waited;
  return counts;
}

}  // namespace switchyard::moe_bench
