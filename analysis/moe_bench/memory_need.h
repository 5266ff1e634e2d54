#pragma once

#include "analysis/moe_bench/order.h"
#include "analysis/moe_bench/workload.h"
#include "engine/core/device.h"
#include "engine/core/dtype.h"

namespace switchyard::moe_bench {

/// Says how much memory a benchmark of the layer takes at most, in bytes: the operands and results,
/// what the most wasteful rung writes between its kernels, the operands of the rates that are
/// measured beside it, and on the host the float64 reference.
struct MemoryNeed {
  double parameters = 0.0;  ///< of the experts, in the benchmark's dtype
  double device = 0.0;      ///< all of the device's
  double host = 0.0;        ///< the reference's
};
MemoryNeed memory_need(const Workload& workload, Order order, DType dtype);

/// Error naming what is needed and what there is where a benchmark on `device` does not fit into
/// `limit` bytes of host memory (0: what the system has left). On a GPU only the reference counts:
/// its allocator says itself what it lacks.
void check_memory(const Workload& workload, Order order, DType dtype, Device device, double limit);

}  // namespace switchyard::moe_bench
