#pragma once

#include <cstdint>

#include "kernels/api/routing.h"
#include "kernels/common/cuda.h"

namespace switchyard::kernels {

/// Tells whoever reads `lowest` of row or position `number` >= 0. A minimum does not depend on the
/// order of the reports, so neither does the answer.
__device__ __forceinline__ void report_lowest(LowestNumber* lowest, std::int64_t number) {
  atomicMin(lowest, static_cast<LowestNumber>(number));
}

}  // namespace switchyard::kernels
