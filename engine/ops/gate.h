#pragma once

#include "engine/core/tensor.h"
#include "kernels/api/gate.h"

namespace switchyard {

using kernels::GateOrder;

/// The experts chosen for each token, and their weights.
struct Choice {
  Tensor indices;  ///< [T, k] int64, descending
  Tensor weights;  ///< [T, k]
};

/// Chooses k experts per row of `logits` [T, E] and weighs them, in one kernel: top_k, gather and
/// softmax in the order asked for. Ties go to the lower index. The weights are differentiable, the
/// choice held fixed. Errors: k < 1, k > E, a row that holds NaN or +inf or nothing above -inf
/// (naming it).
Choice gate(const Tensor& logits, std::int64_t k, GateOrder order);

}  // namespace switchyard
