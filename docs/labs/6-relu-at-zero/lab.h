#pragma once

#include "engine/core/tensor.h"

namespace switchyard::labs {

/// max(x, 0), element by element; its derivative at 0 is 0.
Tensor my_relu(const Tensor& x);

}  // namespace switchyard::labs
