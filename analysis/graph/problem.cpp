#include "analysis/graph/problem.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "analysis/graph/recorder.h"
#include "engine/autograd/contraction.h"
#include "engine/autograd/grad.h"
#include "engine/core/check.h"

namespace switchyard::graph {
namespace {

Device device_of(const Problem& problem) {
  return problem.inputs.empty() ? Device::kCpu : problem.inputs[0].value.device();
}

std::vector<Tensor> without_history(std::span<const Tensor> tensors) {
  std::vector<Tensor> plain;
  for (const Tensor& tensor : tensors) plain.push_back(tensor.detach());
  return plain;
}

/// x + t v, as leaves.
std::vector<Tensor> moved(const Problem& problem, double t) {
  std::vector<Tensor> point;
  for (std::size_t i = 0; i < problem.inputs.size(); ++i) {
    const Tensor& x = problem.inputs[i].value;
    std::vector<double> numbers = x.to_doubles();
    const std::vector<double> v = problem.direction[i].to_doubles();
    for (std::size_t j = 0; j < numbers.size(); ++j) numbers[j] += t * v[j];
    point.push_back(Tensor::from(x.shape(), numbers).to(x.dtype()).to(x.device()));
    point.back().set_requires_grad();
  }
  return point;
}

double inner(std::span<const Tensor> a, std::span<const Tensor> b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += inner_product(a[i].to_doubles(), b[i].to_doubles());
  }
  return sum;
}

/// ‖(above - below) / 2h - product‖ / ‖product‖
double difference_error(std::span<const Tensor> above, std::span<const Tensor> below, double h,
                        std::span<const Tensor> product) {
  double off = 0.0;
  double size = 0.0;
  for (std::size_t i = 0; i < product.size(); ++i) {
    const std::vector<double> a = above[i].to_doubles();
    const std::vector<double> b = below[i].to_doubles();
    const std::vector<double> p = product[i].to_doubles();
    for (std::size_t j = 0; j < p.size(); ++j) {
      const double error = (a[j] - b[j]) / (2.0 * h) - p[j];
      off += error * error;
      size += p[j] * p[j];
    }
  }
  return size > 0.0 ? std::sqrt(off / size) : std::sqrt(off);
}

}  // namespace

std::vector<Tensor> leaves_of(const Problem& problem) {
  std::vector<Tensor> values;
  for (const NamedValue& input : problem.inputs) values.push_back(input.value);
  return as_leaves(values);
}

std::string chosen_experts(const Tensor& indices) {
  constexpr std::size_t kShown = 8;
  std::vector<double> chosen = indices.to_doubles();
  const auto k = static_cast<std::size_t>(indices.size(1));
  std::string text;
  for (std::size_t token = 0; token * k < chosen.size(); ++token) {
    if (token == kShown) return text + " ...";
    const auto first = chosen.begin() + static_cast<std::ptrdiff_t>(token * k);
    std::sort(first, first + static_cast<std::ptrdiff_t>(k));
    text += fmt::format("{}{}", token == 0 ? "" : " ",
                        fmt::join(first, first + static_cast<std::ptrdiff_t>(k), ","));
  }
  return text;
}

TracedProblem trace(const Problem& problem, int order, const SnapshotSizes& sizes) {
  check(order >= 0 && order <= 2, "[graph] order is {}, expected 0, 1 or 2", order);
  check(order < 2 || problem.direction.size() == problem.inputs.size(),
        "[graph] {} directions for {} inputs", problem.direction.size(), problem.inputs.size());
  const std::vector<Tensor> leaves = leaves_of(problem);
  Recorder recorder(device_of(problem), sizes);
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    recorder.name(leaves[i], problem.inputs[i].name);
  }
  for (const NamedValue& constant : problem.constants) {
    recorder.name(constant.value, constant.name);
  }
  if (order >= 2) {
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      recorder.name(problem.direction[i], "v of " + problem.inputs[i].name);
    }
  }
  recorder.begin_pass("forward");
  const Tensor loss = problem.loss(leaves);
  std::vector<Tensor> gradient;
  std::vector<Tensor> product;
  if (order >= 1) {
    recorder.begin_pass("backward");
    gradient = grad(loss, leaves, {.create_graph = true});
  }
  if (order >= 2) {
    recorder.begin_pass("double-backward");
    product = Contracted{gradient, problem.direction}.gradient(leaves, {.create_graph = true});
  }
  return {.trace = recorder.finish(),
          .loss = loss.item(),
          .gradient = without_history(gradient),
          .product = without_history(product)};
}

WalkPlan coarse_walk(const Problem& problem) {
  const double length = std::sqrt(inner(problem.direction, problem.direction));
  return {.reach = length > 0.0 ? 2.0 / length : 2.0, .half = 20, .steps_per_decade = 2};
}

Slope walk_along(const Problem& problem, std::span<const Tensor> product, const WalkPlan& plan) {
  const auto gradient_at = [&](std::span<const Tensor> point) {
    return grad(problem.loss(point), point);
  };
  Slope walk{.curvature = inner(problem.direction, product)};
  for (int i = -plan.half; i <= plan.half; ++i) {
    const double t = plan.reach * i / plan.half;
    const std::vector<Tensor> point = moved(problem, t);
    const Tensor loss = problem.loss(point);
    walk.t.push_back(t);
    walk.loss.push_back(loss.item());
    walk.slope.push_back(inner(grad(loss, point), problem.direction));
    if (problem.piece) walk.pieces.push_back(problem.piece(point));
  }
  constexpr int kDecades = 12;
  for (int i = -kDecades * plan.steps_per_decade; i <= 0; ++i) {
    const double h =
        plan.reach / 2.0 * std::pow(10.0, static_cast<double>(i) / plan.steps_per_decade);
    walk.steps.push_back(h);
    walk.errors.push_back(difference_error(gradient_at(moved(problem, h)),
                                           gradient_at(moved(problem, -h)), h, product));
  }
  return walk;
}

}  // namespace switchyard::graph
