#pragma once

#include <cstdint>
#include <cstring>
#include <memory>

#include "kernels/api/device.h"
#include "kernels/common/launch.h"

namespace switchyard::kernels {
inline namespace SWITCHYARD_EXECUTOR_BUILD {

/// Device memory for the intermediate results of one call, not initialised (NaN on the host). May
/// go out of scope while the kernels that use it are still queued.
template <class T>
class Workspace {
 public:
  Workspace(KernelExecutor& exec, std::int64_t count);
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

#ifdef __CUDACC__
  ~Workspace() { release(exec_, block_); }
  T* data() const { return static_cast<T*>(block_.data); }

 private:
  Cuda& exec_;
  MemoryBlock block_;
#else
  T* data() const { return data_.get(); }

 private:
  std::unique_ptr<T[]> data_;
#endif
};

#ifdef __CUDACC__
/// The executor's allocator is ordered with its work: the next owner's kernels run later.
template <class T>
Workspace<T>::Workspace(Cuda& exec, std::int64_t count)
    : exec_(exec), block_(allocate(exec, static_cast<std::size_t>(count) * sizeof(T))) {}
#else
template <class T>
Workspace<T>::Workspace(Simt&, std::int64_t count) : data_(new T[static_cast<std::size_t>(count)]) {
  std::memset(data_.get(), 0xFF, static_cast<std::size_t>(count) * sizeof(T));
}
#endif

}  // namespace SWITCHYARD_EXECUTOR_BUILD
}  // namespace switchyard::kernels
