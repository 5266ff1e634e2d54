#pragma once

#include "engine/core/tensor.h"

namespace switchyard {

// These functions work over the last axis, which must not be empty. A row of x that holds a NaN or
// +inf, or only -inf, gives NaN in the whole row. Errors: a scalar, an empty last axis.

Tensor softmax(const Tensor& x);
Tensor log_softmax(const Tensor& x);

/// Mean over rows of -log softmax(logits)[label]. logits [N, C], labels [N] int64 in [0, C)
/// (checked, naming the row). Error when N is 0.
Tensor cross_entropy(const Tensor& logits, const Tensor& labels);

// The fused derivatives that the rules use, each with a rule of its own. They take for granted that
// a softmax adds up to 1, and keep their digits where one of its entries is nearly 1; as functions
// of the logits they have the derivatives of the formulas below.

/// y · (gy - Σ gy·y) with y = softmax(x): softmax's derivative along gy, and its own transpose in
/// gy.
Tensor softmax_backward(const Tensor& gy, const Tensor& y);
/// u · (gy - Σ gy·y) - gy · Σ u·y with y = softmax(x): what softmax_backward's cotangent u sends to
/// y.
Tensor softmax_double_backward(const Tensor& u, const Tensor& gy, const Tensor& y);
/// gy - eʸ · Σ gy with y = log_softmax(x).
Tensor log_softmax_backward(const Tensor& gy, const Tensor& y);
/// g / N · (p - one_hot(labels)) with p = softmax(logits) and the loss's scalar cotangent g. At the
/// label p - 1 is taken as minus the sum of the others.
Tensor cross_entropy_backward(const Tensor& g, const Tensor& p, const Tensor& labels);

}  // namespace switchyard
