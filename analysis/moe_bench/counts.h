#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "engine/core/device.h"
#include "kernels/api/profile.h"

namespace switchyard::moe_bench {

/// What one call costs besides time.
struct Counts {
  std::uint64_t kernels = 0;     ///< calls through the kernels' door that call no other
  std::uint64_t launches = 0;    ///< grids; 0 on the cpu
  std::uint64_t host_waits = 0;  ///< kernels/api/host_waits.h
  double bytes = 0.0;            ///< moved through memory between kernels, as they declare it
  double flops = 0.0;            ///< as they declare it
};

/// Adds up what the kernels of a profile declare by work(). A kernel that is a sequence of others
/// moves what those move, or what it declares itself if that is more (it may do a part on its own).
/// Every kernel counts each of its operands once: what it reads again from a cache is not seen
/// here. `idle_bytes` is taken off what a kernel named moe_* declares: matrices of experts without
/// tokens.
Counts counts_of(const kernels::Profile& profile, double idle_bytes);

/// Runs `call` twice, once watched by the profile and once for launches and waits.
Counts count(Device device, const std::function<void()>& call, double idle_bytes = 0.0);

}  // namespace switchyard::moe_bench
