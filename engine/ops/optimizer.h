#pragma once

#include <span>

#include "engine/core/tensor.h"

namespace switchyard {

/// A parameter with its gradient and momentum buffer: one shape and device, and one dtype but for a
/// parameter in bfloat16, whose gradient is bfloat16, momentum and master are float32.
struct SgdTensors {
  Tensor w;  ///< of a parameter in bfloat16 its master
  Tensor g;
  Tensor m;
  Tensor parameter = {};  ///< bfloat16, becomes w, rounded; undefined for other dtypes
};

/// One step of SGD with momentum and weight decay for all `parameters`, in place, PyTorch's
/// convention: g' = g + decay·w;  m = momentum·m + g';  w -= rate·m. All gradients of one dtype,
/// all on one device, no two sharing elements. No history. On other devices than the CPU nothing is
/// updated behind a fault that the device knows of and the host does not yet (engine/core/fault.h).
void sgd_step(std::span<const SgdTensors> parameters, double rate, double momentum, double decay);

}  // namespace switchyard
