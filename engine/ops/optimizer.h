#pragma once

#include <span>

#include "engine/core/tensor.h"

namespace switchyard {

/// A parameter with its gradient and momentum buffer: one shape, dtype and device.
struct SgdTensors {
  Tensor w;
  Tensor g;
  Tensor m;
};

/// One step of SGD with momentum and weight decay for all `parameters`, in place, PyTorch's
/// convention: g' = g + decay·w;  m = momentum·m + g';  w -= rate·m. All of one dtype and device,
/// no two sharing elements. No history. On other devices than the CPU nothing is updated behind a
/// fault that the device knows of and the host does not yet (engine/core/fault.h).
void sgd_step(std::span<const SgdTensors> parameters, double rate, double momentum, double decay);

}  // namespace switchyard
