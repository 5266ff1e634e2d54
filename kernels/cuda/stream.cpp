#include "kernels/cuda/stream.h"

#include <string>

#include "kernels/cuda/parts.h"

namespace switchyard::kernels {

void check_cuda(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());
  throw CudaError(std::string("[") + what + "] CUDA: " + cudaGetErrorString(status));
}

Cuda::Cuda(int index) : device(index) {
  check_cuda(cudaSetDevice(device), "cudaSetDevice");
  limits = device_limits(device);
  parts = std::make_unique<Parts>(device);
  check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking),
             "cudaStreamCreateWithFlags");
}

Cuda::~Cuda() {
  // What is queued may use the parts. Errors have nowhere to go, and the driver may have left.
  static_cast<void>(cudaStreamSynchronize(stream));
  if (parts->fault.data != nullptr) parts->memory.release(stream, parts->fault);
  parts.reset();
  static_cast<void>(cudaStreamDestroy(stream));
}

LaunchLimits device_limits(int device) {
  cudaDeviceProp properties{};
  check_cuda(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  LaunchLimits limits;
  limits.threads_per_block = static_cast<std::uint64_t>(properties.maxThreadsPerBlock);
  limits.block = {static_cast<unsigned>(properties.maxThreadsDim[0]),
                  static_cast<unsigned>(properties.maxThreadsDim[1]),
                  static_cast<unsigned>(properties.maxThreadsDim[2])};
  limits.grid = {static_cast<unsigned>(properties.maxGridSize[0]),
                 static_cast<unsigned>(properties.maxGridSize[1]),
                 static_cast<unsigned>(properties.maxGridSize[2])};
  limits.dynamic_shared_bytes = properties.sharedMemPerBlockOptin;
  limits.multiprocessors = properties.multiProcessorCount;
  return limits;
}

void allow_dynamic_shared(const char* name, const void* kernel, std::size_t bytes) {
  constexpr std::size_t kDefaultLimit = std::size_t{48} << 10;
  if (bytes <= kDefaultLimit) return;
  check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  static_cast<int>(bytes)),
             name);
}

}  // namespace switchyard::kernels
