#pragma once

#include "engine/core/tensor.h"

namespace switchyard::labs {

/// tanh(x), element by element.
Tensor my_tanh(const Tensor& x);

}  // namespace switchyard::labs
