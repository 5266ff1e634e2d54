#pragma once

#include "engine/core/tensor.h"

namespace switchyard {

/// target += x for two tensors of one shape, dtype and device, in place and without history.
void add_in_place(Tensor& target, const Tensor& x);

/// a + b for two cotangents of one tensor; differentiable, as all of a derivative is. The operation
/// `add` (engine/ops/elementwise.h) also broadcasts, which cotangents never need.
Tensor accumulate(const Tensor& a, const Tensor& b);

}  // namespace switchyard
