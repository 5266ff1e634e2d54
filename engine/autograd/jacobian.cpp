#include "engine/autograd/jacobian.h"

#include "engine/autograd/grad.h"
#include "engine/autograd/node.h"

namespace switchyard {

JacobianOperator::JacobianOperator(const Tensor& output, std::vector<Tensor> parameters)
    : parameters_(std::move(parameters)), output_(output) {
  cotangent_ = Tensor::full(output.shape(), 1.0, output.dtype(), output.device());
  cotangent_.set_requires_grad();
  gradient_ =
      grad(std::span(&output_, 1), parameters_, std::span(&cotangent_, 1), {.create_graph = true});
}

Tensor JacobianOperator::apply(std::span<const Tensor> v) const {
  check(v.size() == parameters_.size(), "[jacobian] {} vectors for {} parameters", v.size(),
        parameters_.size());
  // A parameter that the output does not depend on has a gradient of zeros without history.
  std::vector<Tensor> outputs;
  std::vector<Tensor> cotangents;
  for (std::size_t i = 0; i < v.size(); ++i) {
    check(v[i].shape() == parameters_[i].shape() && v[i].dtype() == parameters_[i].dtype(),
          "[jacobian] vector {} is {} {}, its parameter {} {}", i, name(v[i].dtype()), v[i].shape(),
          name(parameters_[i].dtype()), parameters_[i].shape());
    if (!gradient_[i].requires_grad()) continue;
    outputs.push_back(gradient_[i]);
    cotangents.push_back(v[i].detach());
  }
  if (outputs.empty()) return zeros_like(cotangent_);
  return grad(outputs, std::span(&cotangent_, 1), cotangents, {.retain_graph = true})[0];
}

std::vector<Tensor> JacobianOperator::apply_transpose(const Tensor& u) const {
  return grad(std::span(&output_, 1), parameters_, std::span(&u, 1), {.retain_graph = true});
}

}  // namespace switchyard
