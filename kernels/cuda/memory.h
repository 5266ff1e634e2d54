#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <mutex>

#include "kernels/api/device.h"

namespace switchyard::kernels {

/// Every block's size is a multiple of this, which is also its alignment.
inline constexpr std::size_t kCudaAlignment = 256;

/// A GPU's memory in the order of a stream: the driver's default pool (cudaMallocAsync), told to
/// keep what is freed. A block freed in a stream is handed out again in it without waiting. The
/// pool belongs to the process; the counts are of this allocator's blocks.
class PoolAllocator {
 public:
  /// Errors: CudaError, also where the device has no memory pools.
  explicit PoolAllocator(int device);

  /// Tries again with the pool's free memory given back, then throws OutOfMemory with the bytes
  /// asked for, free, in all and live.
  MemoryBlock allocate(cudaStream_t stream, std::size_t bytes);
  void release(cudaStream_t stream, MemoryBlock block) noexcept;
  MemoryStats stats();
  void reset_peak();
  /// Gives free blocks back to the driver, after what is queued on the stream.
  void trim(cudaStream_t stream);

 private:
  cudaError_t try_allocate(cudaStream_t stream, std::size_t capacity, void** data);
  [[noreturn]] void fail(std::size_t bytes);

  cudaMemPool_t pool_ = nullptr;
  std::mutex mutex_;  // of the counts
  std::size_t live_ = 0;
  std::size_t peak_ = 0;
};

}  // namespace switchyard::kernels
