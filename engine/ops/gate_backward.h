#pragma once

#include "engine/core/tensor.h"

namespace switchyard {

// The way back through a gate in one kernel: from the gradient of the k weights of each token to
// that of its logits. `indices` [T, k] int64 are the gate's: different experts in each row, the
// heaviest first, and trusted to be below E. Both have exact derivatives of every order.

/// For the softmax over the kept: gweights and weights [T, k] -> [T, experts], w (g - Σ g·w) at the
/// chosen experts and 0 elsewhere. It is softmax_backward() and then scatter_add().
Tensor topk_softmax_backward(const Tensor& gweights, const Tensor& weights, const Tensor& indices,
                             std::int64_t experts);

/// For the softmax over all, of which k are kept: gweights [T, k], values [T, E] -> [T, E]. It is
/// scatter_add() and then softmax_backward() with p = softmax(values).
Tensor softmax_topk_backward(const Tensor& gweights, const Tensor& values, const Tensor& indices);

}  // namespace switchyard
