#include "engine/autograd/gradcheck.h"

#include <cmath>

#include "engine/autograd/contraction.h"
#include "engine/autograd/node.h"
#include "engine/core/random.h"

namespace switchyard {
namespace {

using Numbers = std::vector<double>;

constexpr std::int64_t kEveryAxis = 64;  // inputs up to this size are checked along every axis
constexpr int kRandomDirections = 3;

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
  return five_point_difference(at, step);
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
