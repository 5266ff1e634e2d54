#pragma once

#include <cstddef>
#include <functional>

#include "kernels/api/executor.h"

// What a benchmark needs of a device besides kernels/api/device.h. Every executor (Cpu, Cuda, Simt)
// implements it.

namespace switchyard::kernels {

/// Seconds of one call that runs or enqueues work, which is over when this returns. On a GPU the
/// time between two events around it on the executor's stream (CUDA C++ Programming Guide, "Elapsed
/// Time"), so that what was enqueued before is not a part of it; elsewhere the host's clock.
/// Errors: those of the call and of the kernels that it ran.
template <class Exec>
double device_seconds(Exec& exec, const std::function<void()>& call);

/// Bytes of the cache that all multiprocessors of a GPU share (L2), as the driver says; 0 where
/// kernels run on the host. Writing as many bytes (clear()) leaves nothing else in it.
template <class Exec>
std::size_t shared_cache_bytes(const Exec& exec);

}  // namespace switchyard::kernels
