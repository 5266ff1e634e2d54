#pragma once

#include "engine/core/tensor.h"

namespace switchyard {

// Over the last axis. The fused backward of each has a rule of its own.

Tensor softmax(const Tensor& x);
Tensor log_softmax(const Tensor& x);

/// Mean over rows of -log softmax(logits)[label]. logits [N, C], labels [N] int64 in [0, C)
/// (checked, naming the row). Error when N is 0.
Tensor cross_entropy(const Tensor& logits, const Tensor& labels);

}  // namespace switchyard
