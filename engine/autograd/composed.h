#pragma once

#include <functional>
#include <span>
#include <vector>

#include "engine/core/tensor.h"

namespace switchyard {

/// A function written in differentiable operations.
using ComposedForm = std::function<std::vector<Tensor>(std::span<const Tensor> inputs)>;

/// Vector-Jacobian product of `form` at `inputs`, with respect to each of them *as an independent
/// argument*, even where one was computed from another. This is how the rule of a fused operation
/// uses its composed form: the result can itself be differentiated when gradients are enabled.
/// Undefined cotangents stand for outputs that nothing flows into.
std::vector<Tensor> vjp_of_composed(const ComposedForm& form, std::span<const Tensor> inputs,
                                    std::span<const Tensor> cotangents);

}  // namespace switchyard
