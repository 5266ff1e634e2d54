#include "engine/autograd/hvp.h"

#include "engine/autograd/grad.h"
#include "engine/autograd/node.h"

namespace switchyard {

HessianOperator::HessianOperator(const Tensor& loss, std::vector<Tensor> parameters)
    : parameters_(std::move(parameters)),
      gradient_(grad(loss, parameters_, {.create_graph = true, .retain_graph = true})) {}

std::vector<Tensor> HessianOperator::gradient() const {
  std::vector<Tensor> plain;
  for (const Tensor& g : gradient_) plain.push_back(g.clone());
  return plain;
}

std::vector<Tensor> HessianOperator::apply(std::span<const Tensor> v) const {
  check(v.size() == parameters_.size(), "[hvp] {} vectors for {} parameters", v.size(),
        parameters_.size());
  // A gradient that does not depend on any parameter (a linear loss) contributes nothing.
  std::vector<Tensor> outputs;
  std::vector<Tensor> cotangents;
  for (std::size_t i = 0; i < v.size(); ++i) {
    check(v[i].shape() == parameters_[i].shape() && v[i].dtype() == parameters_[i].dtype(),
          "[hvp] vector {} is {} {}, its parameter {} {}", i, name(v[i].dtype()), v[i].shape(),
          name(parameters_[i].dtype()), parameters_[i].shape());
    if (!gradient_[i].requires_grad()) continue;
    outputs.push_back(gradient_[i]);
    cotangents.push_back(v[i].detach());
  }
  if (outputs.empty()) {
    std::vector<Tensor> zero;
    for (const Tensor& parameter : parameters_) zero.push_back(zeros_like(parameter));
    return zero;
  }
  return grad(outputs, parameters_, cotangents, {.create_graph = false, .retain_graph = true});
}

std::vector<Tensor> hvp(const Tensor& loss, std::span<const Tensor> parameters,
                        std::span<const Tensor> v) {
  return HessianOperator(loss, {parameters.begin(), parameters.end()}).apply(v);
}

}  // namespace switchyard
