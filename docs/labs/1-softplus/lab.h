#pragma once

#include "engine/core/tensor.h"

namespace switchyard::labs {

/// log(1 + eˣ), element by element.
Tensor my_softplus(const Tensor& x);

}  // namespace switchyard::labs
