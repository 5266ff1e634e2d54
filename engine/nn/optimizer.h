#pragma once

#include <span>
#include <vector>

#include "engine/nn/module.h"

namespace switchyard::nn {

struct SgdOptions {
  double momentum = 0.9;
  double weight_decay = 0.0;  ///< L2 penalty, added to the gradient of every parameter
};

/// Stochastic gradient descent with momentum and weight decay, PyTorch's convention (dampening 0,
/// no Nesterov): g' = g + decay·w;  m = momentum·m + g';  w -= rate·m.
class Sgd {
 public:
  /// `parameters` point into modules that must outlive the optimiser. Errors: momentum outside
  /// [0, 1), negative decay.
  Sgd(std::vector<NamedTensor> parameters, SgdOptions options);

  /// Makes one step in place. `gradients` in the order of the parameters, of their shapes and
  /// dtypes; Error naming the parameter otherwise.
  void step(std::span<const Tensor> gradients, double rate);

  const std::vector<NamedTensor>& parameters() const { return parameters_; }
  /// The momentum buffers, for checkpoints: names are "momentum." and the parameter's name, layouts
  /// the parameter's. Loading them means overwriting them (import_tensors in models/state.h).
  std::vector<NamedTensor> state();

 private:
  std::vector<NamedTensor> parameters_;
  std::vector<Tensor> momentum_;
  SgdOptions options_;
};

}  // namespace switchyard::nn
