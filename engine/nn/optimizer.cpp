#include "engine/nn/optimizer.h"

#include "engine/ops/optimizer.h"

namespace switchyard::nn {

Sgd::Sgd(std::vector<NamedTensor> parameters, SgdOptions options)
    : parameters_(std::move(parameters)), options_(options) {
  check(options.momentum >= 0.0 && options.momentum < 1.0,
        "[sgd] momentum must be in [0, 1), got {}", options.momentum);
  check(options.weight_decay >= 0.0, "[sgd] weight decay must not be negative, got {}",
        options.weight_decay);
  for (const NamedTensor& parameter : parameters_) {
    momentum_.push_back(zeros_like(*parameter.tensor));
  }
}

void Sgd::step(std::span<const Tensor> gradients, double rate) {
  check(gradients.size() == parameters_.size(), "[sgd] {} gradients for {} parameters",
        gradients.size(), parameters_.size());
  std::vector<SgdTensors> tensors;
  tensors.reserve(gradients.size());
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    const Tensor& w = *parameters_[i].tensor;
    const Tensor& g = gradients[i];
    check(g.defined() && g.shape() == w.shape() && g.dtype() == w.dtype(),
          "[sgd] gradient of {} must be {} {}, got {}", parameters_[i].name, name(w.dtype()),
          w.shape(),
          [&g] { return g.defined() ? fmt::format("{} {}", name(g.dtype()), g.shape()) : "none"; });
    tensors.push_back({w, g, momentum_[i]});
  }
  sgd_step(tensors, rate, options_.momentum, options_.weight_decay);
}

std::vector<NamedTensor> Sgd::state() {
  std::vector<NamedTensor> state;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    state.push_back({"momentum." + parameters_[i].name, &momentum_[i], parameters_[i].layout});
  }
  return state;
}

}  // namespace switchyard::nn
