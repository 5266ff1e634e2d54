#pragma once

#include "engine/core/tensor.h"

namespace switchyard {

/// The images' shares of the gradient of their mean cross-entropy, as cotangents of the logits
/// [n, C]: row i is r_i / n with r_i = p_i - e_label. The Jacobian's transpose makes the gradient
/// of them.
Tensor gradient_shares(const Tensor& logits, const Tensor& labels);

/// The mean of r_i r_iᵀ (J v)_i over the images as a cotangent of the logits, from these shares and
/// J v [n, C]: the empirical Fisher matrix's part between the Jacobian and its transpose.
Tensor fisher_cotangent(const Tensor& shares, const Tensor& jv);

}  // namespace switchyard
