#include "analysis/curvature/image_gradients.h"

#include "engine/ops/elementwise.h"
#include "engine/ops/reduction.h"
#include "engine/ops/softmax.h"

namespace switchyard {

Tensor gradient_shares(const Tensor& logits, const Tensor& labels) {
  const Tensor one = Tensor::scalar(1.0, logits.dtype(), logits.device());
  return cross_entropy_backward(one, softmax(logits), labels);
}

Tensor fisher_cotangent(const Tensor& shares, const Tensor& jv) {
  return static_cast<double>(shares.size(0)) * (shares * sum(shares * jv, {1}, true));
}

}  // namespace switchyard
