#include "kernels/cuda/memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <limits>

#include "kernels/cuda/parts.h"

namespace switchyard::kernels {
namespace {

std::size_t pool_attribute(cudaMemPool_t pool, cudaMemPoolAttr attribute) {
  std::uint64_t value = 0;  // cuuint64_t
  check_cuda(cudaMemPoolGetAttribute(pool, attribute, &value), "cudaMemPoolGetAttribute");
  return static_cast<std::size_t>(value);
}

}  // namespace

PoolAllocator::PoolAllocator(int device) {
  int has_pools = 0;
  check_cuda(cudaDeviceGetAttribute(&has_pools, cudaDevAttrMemoryPoolsSupported, device),
             "cudaDeviceGetAttribute");
  if (has_pools == 0) {
    throw CudaError(fmt::format("[memory] GPU {} has no memory pools (cudaMallocAsync)", device));
  }
  check_cuda(cudaDeviceGetDefaultMemPool(&pool_, device), "cudaDeviceGetDefaultMemPool");
  // By default the pool returns its free memory to the driver at every synchronisation.
  std::uint64_t keep_all = std::numeric_limits<std::uint64_t>::max();
  check_cuda(cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &keep_all),
             "cudaMemPoolSetAttribute");
}

MemoryBlock PoolAllocator::allocate(cudaStream_t stream, std::size_t bytes) {
  if (bytes > std::numeric_limits<std::size_t>::max() - kCudaAlignment) fail(bytes);
  MemoryBlock block;
  block.capacity =
      std::max((bytes + kCudaAlignment - 1) / kCudaAlignment, std::size_t{1}) * kCudaAlignment;
  cudaError_t status = try_allocate(stream, block.capacity, &block.data);
  if (status == cudaErrorMemoryAllocation) {  // the pool may hold enough, in pieces
    trim(stream);
    status = try_allocate(stream, block.capacity, &block.data);
  }
  if (status == cudaErrorMemoryAllocation) fail(bytes);
  check_cuda(status, "cudaMallocFromPoolAsync");
  const std::lock_guard lock(mutex_);
  live_ += block.capacity;
  peak_ = std::max(peak_, live_);
  return block;
}

cudaError_t PoolAllocator::try_allocate(cudaStream_t stream, std::size_t capacity, void** data) {
  const cudaError_t status = cudaMallocFromPoolAsync(data, capacity, pool_, stream);
  // Taken back: a later launch, which asks for the last error, must not find it.
  if (status == cudaErrorMemoryAllocation) static_cast<void>(cudaGetLastError());
  return status;
}

void PoolAllocator::fail(std::size_t bytes) {
  std::size_t free = 0;
  std::size_t total = 0;
  check_cuda(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  throw OutOfMemory(
      bytes, "cuda",
      fmt::format(": {} of {} bytes are free, {} are live here", free, total, stats().live));
}

void PoolAllocator::release(cudaStream_t stream, MemoryBlock block) noexcept {
  // A failure here is that of earlier work, which the next checked call reports, or the driver has
  // left before the process's last tensors.
  static_cast<void>(cudaFreeAsync(block.data, stream));
  const std::lock_guard lock(mutex_);
  live_ -= block.capacity;
}

MemoryStats PoolAllocator::stats() {
  const std::size_t reserved = pool_attribute(pool_, cudaMemPoolAttrReservedMemCurrent);
  const std::size_t used = pool_attribute(pool_, cudaMemPoolAttrUsedMemCurrent);
  const std::lock_guard lock(mutex_);
  return {.live = live_, .peak = peak_, .cached = reserved - std::min(used, reserved)};
}

void PoolAllocator::reset_peak() {
  const std::lock_guard lock(mutex_);
  peak_ = live_;
}

void PoolAllocator::trim(cudaStream_t stream) {
  check_cuda(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
  check_cuda(cudaMemPoolTrimTo(pool_, 0), "cudaMemPoolTrimTo");
}

template <>
MemoryBlock allocate(Cuda& cuda, std::size_t bytes) {
  return cuda.parts->memory.allocate(cuda.stream, bytes);
}

template <>
void release(Cuda& cuda, MemoryBlock block) noexcept {
  cuda.parts->memory.release(cuda.stream, block);
}

template <>
MemoryStats memory_stats(Cuda& cuda) {
  return cuda.parts->memory.stats();
}

template <>
void reset_peak_memory(Cuda& cuda) {
  cuda.parts->memory.reset_peak();
}

template <>
void release_cached_memory(Cuda& cuda) {
  cuda.parts->memory.trim(cuda.stream);
}

}  // namespace switchyard::kernels
