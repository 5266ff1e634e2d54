#include "engine/autograd/gradcheck.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/autograd/grad.h"
#include "engine/autograd/node.h"
#include "engine/core/random.h"
#include "engine/ops/dropout.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduction.h"

namespace switchyard {
namespace {

constexpr std::int64_t kEveryAxis = 64;  // inputs up to this size are checked along every axis
constexpr int kRandomDirections = 3;

Tensor random_like(const Tensor& x, Generator& random) {
  return random_normal(x.shape(), x.dtype(), random.next(x.numel()), x.device());
}

/// φ(x, c) = <f(x), c>, then order - 1 times φ(x, c) := <∂φ/∂x, r> with random r.
class Contraction {
 public:
  Contraction(const TensorFunction& f, std::span<const Tensor> inputs, int order, Generator& random)
      : f_(f), inputs_(inputs.size()) {
    for (int k = 1; k < order; ++k) {
      std::vector<Tensor>& weights = weights_.emplace_back();
      for (const Tensor& x : inputs) weights.push_back(random_like(x, random));
    }
  }

  /// A scalar; `point` is x followed by c, leaves that require gradients.
  Tensor operator()(std::span<const Tensor> point) const {
    const std::span<const Tensor> x = point.first(inputs_);
    Tensor value = dot(f_(x), point.back());
    for (const std::vector<Tensor>& weights : weights_) {
      if (!value.requires_grad()) return zeros_like(value);
      const std::vector<Tensor> gradients = grad(value, x, {.create_graph = true});
      value = zeros_like(value);
      for (std::size_t i = 0; i < x.size(); ++i) value = value + dot(gradients[i], weights[i]);
    }
    return value;
  }

 private:
  const TensorFunction& f_;
  std::size_t inputs_;
  std::vector<std::vector<Tensor>> weights_;
};

std::vector<Tensor> as_leaves(std::span<const Tensor> tensors) {
  std::vector<Tensor> leaves;
  for (const Tensor& tensor : tensors) leaves.push_back(tensor.detach().set_requires_grad());
  return leaves;
}

std::vector<Tensor> directions(const Tensor& x, Generator& random) {
  std::vector<Tensor> list;
  for (std::int64_t i = 0; x.numel() <= kEveryAxis && i < x.numel(); ++i) {
    Tensor axis = Tensor::zeros(x.shape(), x.dtype());
    axis.data<double>()[i] = 1.0;
    list.push_back(axis.to(x.device()));
  }
  for (int k = 0; k < kRandomDirections; ++k) {
    Tensor direction = random_like(x, random);
    const double length = std::sqrt(dot(direction, direction).item());
    list.push_back(length > 0.0 ? direction / length : direction);
  }
  return list;
}

/// Derivative of `phi` at `point` when tensor `moved` of it moves along `direction`: the five-point
/// central difference.
double finite_difference(const Contraction& phi, std::span<const Tensor> point, std::size_t moved,
                         const Tensor& direction, double step) {
  const auto at = [&](double distance) {
    std::vector<Tensor> leaves = as_leaves(point);
    leaves[moved] = (point[moved] + direction * distance).set_requires_grad();
    return phi(leaves).item();
  };
  return (8.0 * (at(step) - at(-step)) - (at(2.0 * step) - at(-2.0 * step))) / (12.0 * step);
}

/// ‖a - b‖ / max(‖b‖, 0.01)
double relative_error(std::span<const double> a, std::span<const double> b) {
  double difference = 0.0;
  double size = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    size += b[i] * b[i];
  }
  return std::sqrt(difference) / std::max(std::sqrt(size), 0.01);
}

}  // namespace

GradcheckResult gradcheck(const TensorFunction& f, std::vector<Tensor> inputs,
                          const GradcheckOptions& options) {
  check(options.order >= 1, "[gradcheck] order {} is below 1", options.order);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    check(inputs[i].defined() && inputs[i].dtype() == DType::kFloat64,
          "[gradcheck] input {} must be float64, got {}", i, name(inputs[i].dtype()));
    inputs[i] = inputs[i].detach();
  }
  const GradMode recording(true);
  Generator random(options.seed);
  const Contraction phi(f, inputs, options.order, random);
  std::vector<Tensor> point = inputs;
  point.push_back(random_like(f(inputs), random));

  const std::vector<Tensor> leaves = as_leaves(point);
  const Tensor value = phi(leaves);
  std::vector<Tensor> gradients;
  for (const Tensor& leaf : leaves) gradients.push_back(zeros_like(leaf));
  if (value.requires_grad()) gradients = grad(value, leaves);

  GradcheckResult result;
  // The first order's gradient with respect to the cotangent is f itself: nothing to check.
  const std::size_t checked = options.order == 1 ? inputs.size() : point.size();
  for (std::size_t i = 0; i < checked; ++i) {
    std::vector<double> engine;
    std::vector<double> numeric;
    for (const Tensor& direction : directions(point[i], random)) {
      engine.push_back(dot(gradients[i], direction).item());
      numeric.push_back(finite_difference(phi, point, i, direction, options.step));
    }
    const double error = relative_error(engine, numeric);
    if (result.worst.empty() || !(error <= result.error)) {
      result.error = error;
      const std::string role = i < inputs.size() ? fmt::format("input {}", i) : "cotangent";
      result.worst = fmt::format("{} {}", role, point[i].shape().to_string());
    }
    if (std::isnan(result.error)) break;  // nothing is worse
  }
  return result;
}

}  // namespace switchyard
