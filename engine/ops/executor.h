#pragma once

#include <string_view>
#include <utility>

#include "engine/core/tensor.h"
#include "kernels/api/executor.h"

namespace switchyard {

/// The executor of host kernels; --reproducible is a field of it.
kernels::Cpu& cpu_executor();

/// Calls f(executor) with the executor of `device`. The one place that maps devices to executors.
template <class F>
decltype(auto) on_device(Device device, std::string_view op, F&& f) {
  check(device == Device::kCpu, "[{}] device {} is not part of this build", op, name(device));
  return std::forward<F>(f)(cpu_executor());
}

/// Calls f.template operator()<T>(executor) for a floating dtype on a device.
template <class F>
decltype(auto) launch(std::string_view op, const Tensor& like, F&& f) {
  return on_device(like.device(), op, [&](auto& executor) -> decltype(auto) {
    return dispatch_floating(like.dtype(), op, [&]<class T>() -> decltype(auto) {
      return f.template operator()<T>(executor);
    });
  });
}

}  // namespace switchyard
