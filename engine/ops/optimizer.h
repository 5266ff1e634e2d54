#pragma once

#include "engine/core/tensor.h"

namespace switchyard {

/// One step of SGD with momentum and weight decay, in place, PyTorch's convention:
/// g' = g + decay·w;  m = momentum·m + g';  w -= rate·m. All [same shape], same dtype. No history.
void sgd_step(Tensor& w, const Tensor& g, Tensor& momentum_buffer, double rate, double momentum,
              double decay);

}  // namespace switchyard
