#include "engine/autograd/jacobian.h"

#include "engine/autograd/contraction.h"
#include "engine/autograd/grad.h"
#include "engine/autograd/node.h"

namespace switchyard {

std::vector<Tensor> product_from_transpose(std::span<const Tensor> transposed,
                                           std::span<const Tensor> variables,
                                           std::span<const Tensor> tangents) {
  std::vector<Tensor> directions;
  for (const Tensor& tangent : tangents) directions.push_back(tangent.detach());
  return Contracted{{transposed.begin(), transposed.end()}, directions}.gradient(
      variables, {.retain_graph = true});
}

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
  for (std::size_t i = 0; i < v.size(); ++i) {
    check(v[i].shape() == parameters_[i].shape() && v[i].dtype() == parameters_[i].dtype(),
          "[jacobian] vector {} is {} {}, its parameter {} {}", i, name(v[i].dtype()), v[i].shape(),
          name(parameters_[i].dtype()), parameters_[i].shape());
  }
  return product_from_transpose(gradient_, std::span(&cotangent_, 1), v)[0];
}

std::vector<Tensor> JacobianOperator::apply_transpose(const Tensor& u) const {
  return grad(std::span(&output_, 1), parameters_, std::span(&u, 1), {.retain_graph = true});
}

}  // namespace switchyard
