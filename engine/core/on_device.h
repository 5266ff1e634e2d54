#pragma once

#include <string_view>
#include <utility>

#include "engine/core/check.h"
#include "engine/core/device.h"
#include "kernels/api/device.h"

namespace switchyard {

/// The executor of host kernels; --reproducible is a field of it.
inline kernels::Cpu& cpu_executor() { return kernels::default_executor<kernels::Cpu>(); }

/// Error where `user`, an operation's name for the message, asks for a device that is not part of
/// this build.
inline void check_in_build(std::string_view user, Device device) {
  check(device == Device::kCpu, "[{}] device {} is not part of this build", user, name(device));
}

/// Calls f(executor) with the executor of `device`. The one place that maps devices to executors:
/// what f calls must exist for all of them, or the program does not link. Error where `user`, an
/// operation's name for the message, asks for a device that is not part of this build.
template <class F>
decltype(auto) on_device(Device device, std::string_view user, F&& f) {
#ifdef SWITCHYARD_CUDA
  if (device == Device::kCuda) {
    return std::forward<F>(f)(kernels::default_executor<kernels::Cuda>());
  }
#endif
#ifdef SWITCHYARD_SIMT
  if (device == Device::kSimt) {
    return std::forward<F>(f)(kernels::default_executor<kernels::Simt>());
  }
#endif
  check_in_build(user, device);
  return std::forward<F>(f)(cpu_executor());
}

}  // namespace switchyard
