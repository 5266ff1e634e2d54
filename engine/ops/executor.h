#pragma once

#include <string_view>
#include <utility>

#include "engine/core/executor.h"
#include "engine/core/tensor.h"

namespace switchyard {

/// Calls f.template operator()<T>(executor) for a floating dtype on a device; profilers show `op`.
template <class F>
decltype(auto) launch(std::string_view op, const Tensor& like, F&& f) {
  return on_device(like.device(), op, [&]<class Exec>(Exec& executor) -> decltype(auto) {
    const ProfiledRange<Exec> range(executor, op);
    return dispatch_floating(like.dtype(), op, [&]<class T>() -> decltype(auto) {
      return f.template operator()<T>(executor);
    });
  });
}

}  // namespace switchyard
