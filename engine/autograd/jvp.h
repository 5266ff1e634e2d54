#pragma once

#include <span>
#include <vector>

#include "engine/core/tensor.h"

namespace switchyard {

/// Jacobian-vector product: for each output, the sum over inputs of ∂output/∂input · tangent.
///
/// It needs no rule of its own. The vector-Jacobian product Jᵀu is linear in u, whatever u is, so
/// that J v is in turn the vector-Jacobian product of u ↦ Jᵀu with v (Townsend, 2017). An operation
/// has it where the derivative of its rule is right: every one here. `inputs` may be leaves or
/// intermediate results; tangents have their shapes and dtypes. Zeros where an output depends on no
/// input. The graph of the outputs is kept. Errors: those of grad(); a tangent too many or of
/// another shape or dtype; an operation on the path without a second derivative (named).
std::vector<Tensor> jvp(std::span<const Tensor> outputs, std::span<const Tensor> inputs,
                        std::span<const Tensor> tangents);

}  // namespace switchyard
