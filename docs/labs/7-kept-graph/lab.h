#pragma once

#include "engine/core/tensor.h"

namespace switchyard::labs {

/// The eigenvalue of largest size of the Hessian of `loss`, a scalar that depends on the leaf `x`,
/// by `steps` steps of power iteration: v ← H v / ‖H v‖, from ones.
double largest_eigenvalue(const Tensor& loss, const Tensor& x, int steps);

}  // namespace switchyard::labs
