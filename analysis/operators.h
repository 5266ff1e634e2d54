#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/autograd/hvp.h"
#include "engine/core/tensor.h"

namespace switchyard {

/// A symmetric linear map on parameter space. Estimators (Lanczos, Hutchinson) need nothing else.
class SymmetricOperator {
 public:
  virtual ~SymmetricOperator() = default;
  /// Tensors with the shapes and dtypes of the operator's vectors; their values mean nothing.
  virtual std::span<const Tensor> like() const = 0;
  /// A v, in fresh tensors without history.
  virtual std::vector<Tensor> apply(std::span<const Tensor> v) = 0;
};

/// One addend of a loss, such as one batch: weight · loss().
struct LossTerm {
  std::function<Tensor()> loss;  ///< builds the graph anew: a one-element tensor
  double weight = 1.0;
};

struct LossHessianOptions {
  /// Gradient graphs are kept between products while the engine's memory that they hold stays below
  /// this; the batches that do not fit any more are rebuilt for each product (about 9 convolution
  /// passes instead of 6). 0 keeps none.
  std::size_t graph_memory_bytes = 2'000'000'000;
};

/// The Hessian of the loss Σᵢ weightᵢ·lossᵢ(θ), H v = Σᵢ weightᵢ·Hᵢ v (Pearlmutter, 1994), and the
/// loss itself, with at most one term's graph in memory beyond the kept ones. Kept graphs belong to
/// the parameter values of the first product: products after a change of these mean nothing.
class LossHessian : public SymmetricOperator {
 public:
  /// `parameters` are leaves that require gradients. Error when either list is empty.
  LossHessian(std::vector<Tensor> parameters, std::vector<LossTerm> terms,
              LossHessianOptions options = {});

  std::span<const Tensor> like() const override { return parameters_; }
  std::vector<Tensor> apply(std::span<const Tensor> v) override;
  /// The loss at the parameters' present values. Records no graph.
  double loss() const;

 private:
  using Graph = std::shared_ptr<const HessianOperator>;
  Graph graph_of(std::size_t term);

  std::vector<Tensor> parameters_;
  std::vector<LossTerm> terms_;
  LossHessianOptions options_;
  std::vector<Graph> graphs_;  // one per term; null where not kept
  std::size_t kept_bytes_ = 0;
};

}  // namespace switchyard
