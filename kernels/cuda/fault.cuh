#pragma once

#include "kernels/api/fault.h"
#include "kernels/common/cuda.h"

namespace switchyard::kernels {

/// Reports row or position `row` >= 0. A minimum does not depend on the order of the reports, so
/// neither does the answer.
__device__ __forceinline__ void report(const FaultReport& fault, std::int64_t row) {
  if (fault.word != nullptr) atomicMin(fault.word, fault.entry(row));
}

/// `index`, or 0 where it is outside [0, bound): what was reported is not followed.
__device__ __forceinline__ std::int64_t index_within(std::int64_t index, std::int64_t bound) {
  return index >= 0 && index < bound ? index : 0;
}

/// Returns whether something was reported before this kernel, which then must not write what others
/// keep.
__device__ __forceinline__ bool is_faulty(const LowestNumber* word) {
  return word != nullptr && *word != kNoFault;
}

}  // namespace switchyard::kernels
