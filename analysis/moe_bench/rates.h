#pragma once

#include <optional>

#include "analysis/moe_bench/workload.h"
#include "analysis/timing.h"
#include "engine/core/device.h"
#include "engine/core/dtype.h"

namespace switchyard::moe_bench {

/// What the device reaches at the two things that bound a layer.
struct Rates {
  double copy = 0.0;     ///< bytes per second, read and written, of a tensor that no cache holds
  double product = 0.0;  ///< flops per second of one dense product of the layer's flops
};

/// Measures both: x · 1 elementwise of 64 MiB, or on a GPU four times its L2 cache if that is more,
/// and the product [S, D] x [D, N] with S slots and N chosen so that its flops are the layer's
/// forward ones (fewer rows where the result would have more than 2^27 numbers). None on simt,
/// whose times say nothing about a device.
std::optional<Rates> measure_rates(const Workload& workload, DType dtype, Device device,
                                   const TimingOptions& timing);

/// Bytes that measure_rates() takes on the host.
double rate_bytes(const Workload& workload, DType dtype);

}  // namespace switchyard::moe_bench
