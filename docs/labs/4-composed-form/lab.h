#pragma once

#include "engine/core/tensor.h"

namespace switchyard::labs {

/// Makes the square root of a zero row differentiable.
inline constexpr double kEpsilon = 1e-6;

/// Each row of x [N, D] divided by the root of its mean square, √(Σ x² / D + kEpsilon), in
/// differentiable operations: what the fused operation means.
Tensor rms_norm_composed(const Tensor& x);

}  // namespace switchyard::labs
