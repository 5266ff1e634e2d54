#pragma once

#include "engine/core/random.h"
#include "engine/core/tensor.h"

namespace switchyard {

/// Zeroes each element with probability p and scales the rest by 1/(1-p). The mask is a function of
/// `position` alone (Philox), so the operation is linear and is its own transpose. Error unless 0
/// <= p < 1.
Tensor dropout(const Tensor& x, double p, RandomPosition position);

}  // namespace switchyard
