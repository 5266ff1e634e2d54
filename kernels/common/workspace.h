#pragma once

#include <cstdint>
#include <cstring>
#include <memory>

#include "kernels/common/launch.h"

namespace switchyard::kernels {

/// Device memory for the intermediate results of one call, not initialised (NaN on the host). May
/// go out of scope while the kernels that use it are still queued.
template <class T>
class Workspace {
 public:
  Workspace(KernelExecutor& exec, std::int64_t count);
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

#ifdef __CUDACC__
  ~Workspace() { cudaFreeAsync(data_, stream_); }
  T* data() const { return data_; }

 private:
  cudaStream_t stream_;
  T* data_ = nullptr;
#else
  T* data() const { return data_.get(); }

 private:
  std::unique_ptr<T[]> data_;
#endif
};

#ifdef __CUDACC__
/// From the stream's pool: freeing takes its turn in the stream (CUDA C++ Programming Guide,
/// "Stream Ordered Memory Allocator").
template <class T>
Workspace<T>::Workspace(Cuda& exec, std::int64_t count) : stream_(exec.stream) {
  void* memory = nullptr;
  check_cuda(cudaMallocAsync(&memory, static_cast<std::size_t>(count) * sizeof(T), stream_),
             "cudaMallocAsync");
  data_ = static_cast<T*>(memory);
}
#else
template <class T>
Workspace<T>::Workspace(Simt&, std::int64_t count) : data_(new T[static_cast<std::size_t>(count)]) {
  std::memset(data_.get(), 0xFF, static_cast<std::size_t>(count) * sizeof(T));
}
#endif

}  // namespace switchyard::kernels
