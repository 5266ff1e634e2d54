#pragma once

#include "engine/core/tensor.h"

namespace switchyard::labs {

/// The scalar of `y` [rows, columns] that a gradient check differentiates. The same y always gives
/// the same number.
Tensor loss_of(const Tensor& y);

}  // namespace switchyard::labs
