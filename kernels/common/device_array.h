#pragma once

#include <cstdint>

#include "kernels/api/device.h"

namespace switchyard::kernels {

/// Memory of any executor for the intermediate results of one call, not initialised. May go out of
/// scope while the kernels that use it are still queued. For code that every executor shares; a
/// launcher of kernels/cuda has Workspace (workspace.h), of which AddressSanitizer sees the end on
/// the SIMT executor.
template <class Exec, class T>
class DeviceArray {
 public:
  DeviceArray(Exec& exec, std::int64_t count)
      : exec_(exec), block_(allocate(exec, static_cast<std::size_t>(count) * sizeof(T))) {}
  ~DeviceArray() { release(exec_, block_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() const { return static_cast<T*>(block_.data); }

 private:
  Exec& exec_;
  MemoryBlock block_;
};

}  // namespace switchyard::kernels
