#pragma once

#include <vector>

#include "analysis/curvature/loss_hessian.h"
#include "engine/core/random.h"
#include "engine/core/tensor.h"

namespace switchyard {

/// A two-layer network with 43 parameters on random data in float64, small enough for its dense
/// Hessian: x [N, 4] -> 5 softplus units -> 3 classes -> mean cross-entropy.
struct TinyNetwork {
  std::vector<Tensor> parameters;  // weight and bias of each layer, as leaves
  Tensor inputs;                   // [N, 4]
  Tensor labels;                   // [N] int64

  explicit TinyNetwork(std::int64_t rows, std::uint64_t seed = 1);

  /// Mean loss over rows [begin, end).
  Tensor loss(std::int64_t begin, std::int64_t end) const;
  /// The mean loss over all rows, cut at `borders` (ascending, ending with N) into one term each.
  std::vector<LossTerm> terms(const std::vector<std::int64_t>& borders) const;
};

}  // namespace switchyard
