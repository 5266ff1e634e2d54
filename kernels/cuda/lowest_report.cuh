#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/common/workspace.h"

// How kernels tell the host of something that should not be there, such as a row with NaN: one word
// of device memory that keeps the lowest number reported. A minimum does not depend on the order of
// the reports, so neither does the answer.

namespace switchyard::kernels {
inline namespace SWITCHYARD_EXECUTOR_BUILD {

/// Reports `number` >= 0.
__device__ __forceinline__ void report_lowest(unsigned long long* word, std::int64_t number) {
  atomicMin(word, static_cast<unsigned long long>(number));
}

/// The word of one call. Larger than any number until something is reported.
class LowestReport {
 public:
  explicit LowestReport(KernelExecutor& exec);
  unsigned long long* word() const { return word_.data(); }
  /// The lowest number reported by the kernels launched before, or -1. Waits for them.
  std::int64_t read() const;

 private:
  [[maybe_unused]] KernelExecutor& exec_;
  Workspace<unsigned long long> word_;
};

#ifdef __CUDACC__
inline LowestReport::LowestReport(Cuda& exec) : exec_(exec), word_(exec, 1) {
  check_cuda(cudaMemsetAsync(word_.data(), 0xFF, sizeof(unsigned long long), exec.stream),
             "cudaMemsetAsync");
}

inline std::int64_t LowestReport::read() const {
  unsigned long long lowest = 0;
  check_cuda(
      cudaMemcpyAsync(&lowest, word_.data(), sizeof(lowest), cudaMemcpyDeviceToHost, exec_.stream),
      "cudaMemcpyAsync");
  check_cuda(cudaStreamSynchronize(exec_.stream), "cudaStreamSynchronize");
  return static_cast<std::int64_t>(lowest);  // all bits set is -1
}
#else
inline LowestReport::LowestReport(Simt& exec) : exec_(exec), word_(exec, 1) {
  std::memset(word_.data(), 0xFF, sizeof(unsigned long long));
}

inline std::int64_t LowestReport::read() const {
  return static_cast<std::int64_t>(*word_.data());  // all bits set is -1
}
#endif

}  // namespace SWITCHYARD_EXECUTOR_BUILD
}  // namespace switchyard::kernels
