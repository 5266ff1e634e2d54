#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "kernels/api/error.h"
#include "kernels/api/executor.h"
#include "kernels/common/dim3.h"

namespace switchyard::kernels {

/// A CUDA call that failed: one line with the call or kernel and the driver's own words.
class CudaError : public Error {
 public:
  using Error::Error;
};

/// Throws CudaError naming `what` unless `status` is success. An error that does not break the
/// device (out of memory, a bad argument) is cleared, so that no later launch is blamed for it.
void check_cuda(cudaError_t status, const char* what);

/// Runs kernels on a GPU, in order on one stream. Kernels are enqueued by one host thread at a
/// time; memory and copies (kernels/api/device.h) may be asked for by any.
struct Cuda {
  /// A stream of its own on GPU number `index` (CUDA_VISIBLE_DEVICES says which are counted).
  /// Errors: CudaError.
  explicit Cuda(int index = 0);
  ~Cuda();
  Cuda(const Cuda&) = delete;
  Cuda& operator=(const Cuda&) = delete;

  int device = 0;
  cudaStream_t stream = nullptr;
  LaunchLimits limits;
  std::uint64_t launches = 0;  ///< grids launched so far

  struct Parts;  // kernels/cuda/parts.h: allocator, staging buffers, library handles
  std::unique_ptr<Parts> parts;
};

/// Limits of GPU number `device`. Errors: CudaError.
LaunchLimits device_limits(int device);

/// Lets `kernel` use more than the default 48 KiB of dynamic shared memory. No call to the driver
/// below that.
void allow_dynamic_shared(const char* name, const void* kernel, std::size_t bytes);

}  // namespace switchyard::kernels
