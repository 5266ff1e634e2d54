#include "engine/nn/optimizer.h"

#include "engine/core/bfloat16.h"
#include "engine/ops/optimizer.h"

namespace switchyard::nn {

Sgd::Sgd(std::vector<NamedTensor> parameters, SgdOptions options)
    : parameters_(std::move(parameters)), options_(options) {
  check(options.momentum >= 0.0 && options.momentum < 1.0,
        "[sgd] momentum must be in [0, 1), got {}", options.momentum);
  check(options.weight_decay >= 0.0, "[sgd] weight decay must not be negative, got {}",
        options.weight_decay);
  for (const NamedTensor& parameter : parameters_) {
    const Tensor& w = *parameter.tensor;
    momentum_.push_back(Tensor::zeros(w.shape(), sum_dtype(w.dtype()), w.device()));
    masters_.emplace_back();
    if (w.dtype() != sum_dtype(w.dtype())) {
      masters_.back() = {w.detach().to(sum_dtype(w.dtype())), 0, w.version()};
      masters_.back().version = masters_.back().w.version();
    }
  }
}

void Sgd::follow(Master& master, const Tensor& parameter) {
  const bool master_is_old = master.w.version() == master.version;
  if (parameter.version() == master.parameter_version || !master_is_old) return;
  master.w.copy_from(parameter.detach().to(master.w.dtype()));
}

void Sgd::step(std::span<const Tensor> gradients, double rate) {
  check(gradients.size() == parameters_.size(), "[sgd] {} gradients for {} parameters",
        gradients.size(), parameters_.size());
  std::vector<SgdTensors> tensors;
  std::vector<SgdTensors> with_masters;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    const Tensor& w = *parameters_[i].tensor;
    const Tensor& g = gradients[i];
    check(g.defined() && g.shape() == w.shape() && g.dtype() == w.dtype(),
          "[sgd] gradient of {} must be {} {}, got {}", parameters_[i].name, name(w.dtype()),
          w.shape(),
          [&g] { return g.defined() ? fmt::format("{} {}", name(g.dtype()), g.shape()) : "none"; });
    Master& master = masters_[i];
    if (!master.w.defined()) {
      tensors.push_back({w, g, momentum_[i]});
      continue;
    }
    follow(master, w);
    with_masters.push_back({master.w, g, momentum_[i], w});
  }
  sgd_step(tensors, rate, options_.momentum, options_.weight_decay);
  sgd_step(with_masters, rate, options_.momentum, options_.weight_decay);
  for (std::size_t i = 0; i < masters_.size(); ++i) {
    if (!masters_[i].w.defined()) continue;
    masters_[i].version = masters_[i].w.version();
    masters_[i].parameter_version = parameters_[i].tensor->version();
  }
}

std::vector<NamedTensor> Sgd::state() {
  std::vector<NamedTensor> state;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    state.push_back({"momentum." + parameters_[i].name, &momentum_[i], parameters_[i].layout});
  }
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (!masters_[i].w.defined()) continue;
    state.push_back({"master." + parameters_[i].name, &masters_[i].w, parameters_[i].layout});
  }
  return state;
}

}  // namespace switchyard::nn
