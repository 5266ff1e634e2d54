#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "analysis/curvature/mean_operator.h"

namespace switchyard {

/// One addend of a loss, such as one batch: weight · loss().
struct LossTerm {
  std::function<Tensor()> loss;  ///< builds the graph anew: a one-element tensor
  double weight = 1.0;
};

/// The Hessian of the loss Σᵢ weightᵢ·lossᵢ(θ), H v = Σᵢ weightᵢ·Hᵢ v (Pearlmutter, 1994), and the
/// loss itself. A product with a kept graph costs 6 passes of each convolution, one that builds it
/// again 9.
class LossHessian : public MeanOperator {
 public:
  /// `parameters` are leaves that require gradients. Error when either list is empty.
  LossHessian(std::vector<Tensor> parameters, std::vector<LossTerm> terms,
              std::shared_ptr<GraphMemory> memory = nullptr);

  /// The loss at the parameters' present values. Records no graph.
  double loss() const;

 private:
  std::vector<LossTerm> terms_;
};

/// The gradient of Σᵢ weightᵢ·lossᵢ, with one term's graph in memory at a time.
ParameterVector mean_gradient(std::span<const Tensor> parameters, std::span<const LossTerm> terms);

}  // namespace switchyard
