#include "engine/autograd/gradcheck.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/autograd/grad.h"
#include "engine/autograd/node.h"
#include "engine/core/random.h"

namespace switchyard {
namespace {

using Numbers = std::vector<double>;

constexpr std::int64_t kEveryAxis = 64;  // inputs up to this size are checked along every axis
constexpr int kRandomDirections = 3;

Tensor random_like(const Tensor& x, Generator& random) {
  return random_normal(x.shape(), x.dtype(), random.next(x.numel()), x.device());
}

double inner_product(const Numbers& a, const Numbers& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

/// φ = Σ <output, weight> over pairs of tensors.
struct Contracted {
  std::vector<Tensor> outputs, weights;

  double value() const {
    double sum = 0.0;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      sum += inner_product(outputs[i].to_doubles(), weights[i].to_doubles());
    }
    return sum;
  }

  /// ∂φ/∂x for each x; zeros where φ does not depend on it.
  std::vector<Tensor> gradient(std::span<const Tensor> x, GradOptions options) const {
    std::vector<Tensor> reached;
    std::vector<Tensor> flowing;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (!outputs[i].requires_grad()) continue;
      reached.push_back(outputs[i]);
      flowing.push_back(weights[i]);
    }
    return grad(reached, x, flowing, options);
  }
};

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

  /// `point` is x followed by c, leaves that require gradients.
  Contracted operator()(std::span<const Tensor> point) const {
    const std::span<const Tensor> x = point.first(inputs_);
    Contracted phi{{f_(x)}, {point.back()}};
    for (const std::vector<Tensor>& weights : weights_) {
      phi = {phi.gradient(x, {.create_graph = true}), weights};
    }
    return phi;
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

/// Unit vectors in the space of x.
std::vector<Numbers> directions(const Tensor& x, Generator& random) {
  std::vector<Numbers> list;
  const auto count = static_cast<std::size_t>(x.numel());
  for (std::size_t i = 0; x.numel() <= kEveryAxis && i < count; ++i) {
    list.emplace_back(count, 0.0)[i] = 1.0;
  }
  for (int k = 0; k < kRandomDirections; ++k) {
    Numbers& direction = list.emplace_back(random_like(x, random).to_doubles());
    const double length = std::sqrt(inner_product(direction, direction));
    for (double& number : direction) number = length > 0.0 ? number / length : number;
  }
  return list;
}

/// x + distance · direction, a leaf.
Tensor moved_along(const Tensor& x, const Numbers& direction, double distance) {
  Numbers numbers = x.to_doubles();
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] += distance * direction[i];
  return Tensor::from(x.shape(), numbers, x.device()).set_requires_grad();
}

/// Derivative of `phi` at `point` when tensor `moved` of it moves along `direction`: the five-point
/// central difference.
double finite_difference(const Contraction& phi, std::span<const Tensor> point, std::size_t moved,
                         const Numbers& direction, double step) {
  const auto at = [&](double distance) {
    std::vector<Tensor> leaves = as_leaves(point);
    leaves[moved] = moved_along(point[moved], direction, distance);
    return phi(leaves).value();
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
  const std::vector<Tensor> gradients = phi(leaves).gradient(leaves, {});

  GradcheckResult result;
  // The first order's gradient with respect to the cotangent is f itself: nothing to check.
  const std::size_t checked = options.order == 1 ? inputs.size() : point.size();
  for (std::size_t i = 0; i < checked; ++i) {
    const Numbers gradient = gradients[i].to_doubles();
    Numbers engine;
    Numbers numeric;
    for (const Numbers& direction : directions(point[i], random)) {
      engine.push_back(inner_product(gradient, direction));
      numeric.push_back(finite_difference(phi, point, i, direction, options.step));
    }
    const double error = relative_error(engine, numeric);
    if (result.worst.empty() || !(error <= result.error)) {
      result.error = error;
      const std::string role = i < inputs.size() ? fmt::format("input {}", i) : "cotangent";
      result.worst = fmt::format("{} {}", role, point[i].shape());
    }
    if (std::isnan(result.error)) break;  // nothing is worse
  }
  return result;
}

}  // namespace switchyard
