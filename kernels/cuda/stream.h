#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <stdexcept>

#include "kernels/common/dim3.h"

namespace switchyard::kernels {

/// A CUDA call that failed: one line with the call or kernel and the driver's own words.
class CudaError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Throws CudaError naming `what` unless `status` is success.
void check_cuda(cudaError_t status, const char* what);

/// Runs kernels on a GPU, in order on one stream.
struct Cuda {
  cudaStream_t stream = nullptr;
  LaunchLimits limits;  ///< of the device the stream belongs to
};

/// Limits of GPU number `device`. Errors: CudaError.
LaunchLimits device_limits(int device);

/// Lets `kernel` use more than the default 48 KiB of dynamic shared memory. No call to the driver
/// below that.
void allow_dynamic_shared(const char* name, const void* kernel, std::size_t bytes);

}  // namespace switchyard::kernels
