#pragma once

#include <cstddef>
#include <span>

#include "kernels/api/executor.h"
#include "kernels/api/fault.h"

// The host learns here what came of the work on an executor: results and faults with one wait.

namespace switchyard::kernels {

/// One of several copies from device memory to host memory.
struct HostCopy {
  void* to = nullptr;
  const void* from = nullptr;
  std::size_t bytes = 0;
};
/// The word in which kernels on the executor report what is wrong with their operands
/// (kernels/api/fault.h): device memory, kNoFault at first.
template <class Exec>
LowestNumber* fault_word(Exec& exec);
/// All copies, and what the work enqueued before them left in fault_word(), with one wait. Where
/// that is not kNoFault it is set back.
template <class Exec>
LowestNumber read_back(Exec& exec, std::span<const HostCopy> copies);

}  // namespace switchyard::kernels
