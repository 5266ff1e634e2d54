#include "engine/autograd/contraction.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace switchyard {

double inner_product(std::span<const double> a, std::span<const double> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

double relative_error(std::span<const double> a, std::span<const double> b) {
  double difference = 0.0;
  double size = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    size += b[i] * b[i];
  }
  return std::sqrt(difference) / std::max(std::sqrt(size), 0.01);
}

Tensor random_like(const Tensor& x, Generator& random) {
  return random_normal(x.shape(), x.dtype(), random.next(x.numel()), x.device());
}

std::vector<Tensor> as_leaves(std::span<const Tensor> tensors) {
  std::vector<Tensor> leaves;
  for (const Tensor& tensor : tensors) leaves.push_back(tensor.detach().set_requires_grad());
  return leaves;
}

double Contracted::value() const {
  double sum = 0.0;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    sum += inner_product(outputs[i].to_doubles(), weights[i].to_doubles());
  }
  return sum;
}

std::vector<Tensor> Contracted::gradient(std::span<const Tensor> x, GradOptions options) const {
  std::vector<Tensor> reached;
  std::vector<Tensor> flowing;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (!outputs[i].requires_grad()) continue;
    reached.push_back(outputs[i]);
    flowing.push_back(weights[i]);
  }
  return grad(reached, x, flowing, options);
}

Contraction::Contraction(const TensorFunction& f, std::span<const Tensor> inputs, int order,
                         Generator& random)
    : f_(f), inputs_(inputs.size()) {
  for (int k = 1; k < order; ++k) {
    std::vector<Tensor>& weights = weights_.emplace_back();
    for (const Tensor& x : inputs) weights.push_back(random_like(x, random));
  }
}

Contracted Contraction::operator()(std::span<const Tensor> point) const {
  const std::span<const Tensor> x = point.first(inputs_);
  Contracted phi{{f_(x)}, {point.back()}};
  for (const std::vector<Tensor>& weights : weights_) {
    phi = {phi.gradient(x, {.create_graph = true}), weights};
  }
  return phi;
}

}  // namespace switchyard
