#pragma once

#include "engine/core/random.h"
#include "engine/core/tensor.h"

namespace switchyard {

/// Zeroes each element with probability p and scales the rest by 1/(1-p). The mask is a function of
/// `position` alone (Philox), so the operation is linear and is its own transpose. Error unless 0
/// <= p < 1.
Tensor dropout(const Tensor& x, double p, RandomPosition position);

/// Standard normal / uniform [0, 1) numbers of the given shape (no gradient).
Tensor random_normal(const Shape& shape, DType dtype, RandomPosition position,
                     Device device = Device::kCpu);
Tensor random_uniform(const Shape& shape, DType dtype, RandomPosition position,
                      Device device = Device::kCpu);
/// ±1 with equal probability (Rademacher), for Hutchinson's estimator.
Tensor random_sign(const Shape& shape, DType dtype, RandomPosition position,
                   Device device = Device::kCpu);

}  // namespace switchyard
