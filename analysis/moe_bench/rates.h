#pragma once

#include "analysis/moe_bench/workload.h"
#include "analysis/timing.h"
#include "engine/core/device.h"
#include "engine/core/dtype.h"

namespace switchyard::moe_bench {

/// What the device reaches at the two things that bound a layer.
struct Rates {
  double copy = 0.0;     ///< bytes per second, read and written, of one tensor of 64 MiB
  double product = 0.0;  ///< flops per second of one dense product of the layer's flops
};

/// Measures both: x · 1 elementwise, whose operand no cache holds, and the product [S, D] x [D, N]
/// with S slots and N chosen so that its flops are the layer's forward ones (fewer rows where the
/// result would have more than 2^27 numbers). Zeros on simt, whose times say nothing about a
/// device.
Rates measure_rates(const Workload& workload, DType dtype, Device device,
                    const TimingOptions& timing);

/// Bytes that measure_rates() takes.
double rate_bytes(const Workload& workload, DType dtype);

}  // namespace switchyard::moe_bench
