#pragma once

#include "engine/ops/routing.h"

namespace switchyard::moe_bench {

/// What plain loops on the host make of gate logits and tokens.
struct RoutingReference {
  Tensor indices;      ///< [T, k] int64
  Tensor weights;      ///< [T, k] float64
  Tensor offsets;      ///< [E + 1] int64
  Tensor permutation;  ///< [T · k] int64
  Tensor inverse;      ///< [T, k] int64
  Tensor rows;         ///< [T · k, D] float64, tokens in the experts' order
  Tensor outputs;      ///< [T · k, D] float64, the rows times one plus their choice's place
  Tensor sums;         ///< [T, D] float64, outputs back in the tokens' places, weighed
};

/// Chooses the k largest logits of each row (ties to the lower expert), weighs them by a softmax
/// over the kept, sorts the assignments by expert, and moves the tokens there and back. In place of
/// the experts a token's first choice multiplies by 1, its second by 2, and so on: were all outputs
/// equal, weights that sum to one would hide which belongs to which. `logits`
/// [T, E] and `x` [T, D] on the host, of any floating-point dtype.
RoutingReference routing_reference(const Tensor& logits, const Tensor& x, std::int64_t k);

}  // namespace switchyard::moe_bench
