#pragma once

#include "engine/core/tensor.h"

namespace switchyard {

/// The sums of gradients that wait at tensors while a gradient is taken (Vjp::take_waiting()).
class WaitingSums {
 public:
  WaitingSums() = default;
  virtual ~WaitingSums() = default;
  WaitingSums(const WaitingSums&) = delete;
  WaitingSums& operator=(const WaitingSums&) = delete;

  /// Removes and returns what waits at `tensor`; undefined if nothing does.
  virtual Tensor take(const Tensor& tensor) = 0;
};

}  // namespace switchyard
