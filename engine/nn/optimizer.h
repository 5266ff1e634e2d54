#pragma once

#include <cstdint>
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
///
/// A bfloat16 parameter has a float32 master, which the steps change and which is then rounded into
/// the parameter: steps far below its last digit are not lost. Momentum is float32 as well.
class Sgd {
 public:
  /// `parameters` point into modules that must outlive the optimiser. Errors: momentum outside
  /// [0, 1), negative decay.
  Sgd(std::vector<NamedTensor> parameters, SgdOptions options);

  /// Makes one step in place. `gradients` in the order of the parameters, of their shapes and
  /// dtypes; Error naming the parameter otherwise.
  void step(std::span<const Tensor> gradients, double rate);

  const std::vector<NamedTensor>& parameters() const { return parameters_; }
  /// The momentum buffers and the masters, for checkpoints: names are "momentum." or "master." and
  /// the parameter's name, layouts the parameter's. Loading them means overwriting them
  /// (import_tensors in models/state.h), beside the parameters.
  std::vector<NamedTensor> state();

 private:
  /// A bfloat16 parameter in float32; undefined for parameters of other dtypes.
  struct Master {
    Tensor w;
    /// Versions of master and parameter after the last step: who overwrites them is noticed.
    std::uint64_t version = 0;
    std::uint64_t parameter_version = 0;
  };
  /// Starts anew from a parameter that was overwritten alone, as by a file of weights.
  void follow(Master& master, const Tensor& parameter);

  std::vector<NamedTensor> parameters_;
  std::vector<Tensor> momentum_;
  std::vector<Master> masters_;
  SgdOptions options_;
};

}  // namespace switchyard::nn
