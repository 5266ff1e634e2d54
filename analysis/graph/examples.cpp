#include "analysis/graph/examples.h"

#include <fmt/ranges.h>

#include <cmath>

#include "engine/core/check.h"
#include "engine/core/random.h"
#include "engine/core/suggest.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/gate.h"
#include "engine/ops/matmul.h"
#include "engine/ops/moe.h"
#include "engine/ops/norm.h"
#include "engine/ops/reduction.h"
#include "engine/ops/shape.h"
#include "engine/ops/softmax.h"

namespace switchyard::graph {
namespace {

using Inputs = std::span<const Tensor>;

Tensor scalar(double value, Device device) {
  return Tensor::scalar(value, DType::kFloat64, device);
}

/// scale · standard normal numbers.
Tensor normal(const Shape& shape, Generator& random, Device device, double scale = 1.0) {
  const Tensor x = random_normal(shape, DType::kFloat64, random.next(shape.numel()));
  return affine(x, scale, 0.0).to(device);
}

Tensor labels_of(std::vector<std::int64_t> values, Device device) {
  return Tensor::from<std::int64_t>({static_cast<std::int64_t>(values.size())}, values).to(device);
}

/// One random direction per input, all of them together of length 1.
void add_direction(Problem& problem, Generator& random, Device device) {
  double squares = 0.0;
  for (const NamedValue& input : problem.inputs) {
    problem.direction.push_back(normal(input.value.shape(), random, device));
    for (const double x : problem.direction.back().to_doubles()) squares += x * x;
  }
  for (Tensor& v : problem.direction) v = affine(v, 1.0 / std::sqrt(squares), 0.0);
}

Problem cube(Device device) {
  return {.title = "x³",
          .about =
              "The smallest graph with a second derivative worth drawing: 3x² is made by the rules "
              "of two products, and 6x by the rules of what those made.",
          .inputs = {{"x", scalar(2.0, device)}},
          .loss = [](Inputs in) { return in[0] * in[0] * in[0]; },
          .direction = {scalar(1.0, device)}};
}

/// The first expression of the readme of micrograd (Karpathy, 2020): g = 24.7041, ∂g/∂a = 138.8338,
/// ∂g/∂b = 645.5773.
Tensor micrograd_expression(Inputs in) {
  const Tensor& a = in[0];
  const Tensor& b = in[1];
  Tensor c = a + b;
  Tensor d = a * b + b * b * b;
  c = c + (c + 1.0);
  c = c + (c + 1.0 + (-a));
  d = d + (d * 2.0 + relu(b + a));
  d = d + (3.0 * d + relu(b - a));
  const Tensor f = square(c - d);
  return f / 2.0 + 10.0 * reciprocal(f);
}

Problem micrograd(Device device) {
  return {.title = "The first expression of micrograd",
          .about =
              "Twenty-odd operations on two numbers. One ReLU is off, the other is on: their masks "
              "are constants, and nothing flows back along them.",
          .inputs = {{"a", scalar(-4.0, device)}, {"b", scalar(2.0, device)}},
          .loss = micrograd_expression,
          .direction = {scalar(0.6, device), scalar(0.8, device)}};
}

Problem perceptron(Device device) {
  Generator random(1);
  const Tensor x = normal({4, 3}, random, device);
  const Tensor labels = labels_of({0, 1, 1, 0}, device);
  Problem problem{
      .title = "A perceptron of two layers",
      .about =
          "Each matrix product's rule makes two more products, and the rule of each of those again "
          "two: the family is closed, so no derivative of any order needs another operation.",
      .inputs = {{"layer1.weight", normal({5, 3}, random, device)},
                 {"layer1.bias", normal({5}, random, device, 0.1)},
                 {"layer2.weight", normal({2, 5}, random, device)},
                 {"layer2.bias", normal({2}, random, device, 0.1)}},
      .constants = {{"x", x}, {"labels", labels}},
      .loss = [=](Inputs in) {
        const Tensor h = tanh(linear(x, in[0], in[1]));
        return cross_entropy(linear(h, in[2], in[3]), labels);
      }};
  add_direction(problem, random, device);
  return problem;
}

Problem softmax_cross_entropy(Device device) {
  Generator random(2);
  const Tensor labels = labels_of({2, 0, 1}, device);
  Problem problem{
      .title = "Softmax with cross-entropy",
      .about =
          "The backward pass is one fused kernel, (p - onehot) / rows, and that kernel has a rule "
          "of its own: the Hessian is diag(p) - p pᵀ, row by row.",
      .inputs = {{"logits", normal({3, 4}, random, device)}},
      .constants = {{"labels", labels}},
      .loss = [=](Inputs in) { return cross_entropy(in[0], labels); }};
  add_direction(problem, random, device);
  return problem;
}

Problem convolution(Device device) {
  Generator random(3);
  const Tensor target = normal({1, 3, 3, 2}, random, device);
  Problem problem{
      .title = "A convolution and its three faces",
      .about =
          "conv2d, conv2d_input_grad and conv2d_weight_grad are one trilinear form "
          "<conv(x, w), g>, differentiated by one of its three arguments: the rule of each "
          "consists of the others.",
      .inputs = {{"x", normal({1, 5, 5, 2}, random, device)},
                 {"w", normal({2, 3, 3, 2}, random, device, 0.3)}},
      .constants = {{"target", target}},
      .loss = [=](Inputs in) { return dot(tanh(conv2d(in[0], in[1], {})), target); }};
  add_direction(problem, random, device);
  return problem;
}

Problem batch_norm_with(Device device, bool fused) {
  Generator random(4);
  const Tensor target = normal({6, 3}, random, device);
  Problem problem{
      .title =
          fused ? "Batch normalisation, fused" : "Batch normalisation out of simple operations",
      .about = fused ? "One node forward and one back. The rule of the fused backward is the "
                       "vector-Jacobian product of its composed form: the second pass opens it up."
                     : "The same function as in the example batch_norm, every mean and square a "
                       "node of its own: compare the two ledgers.",
      .inputs = {{"x", normal({6, 3}, random, device)},
                 {"gamma", affine(normal({3}, random, device, 0.2), 1.0, 1.0)},
                 {"beta", normal({3}, random, device, 0.2)}},
      .constants = {{"target", target}},
      .loss = [=](Inputs in) {
        const Tensor y = fused ? batch_norm(in[0], in[1], in[2], 1e-5).y
                               : batch_norm_composed(in[0], in[1], in[2], 1e-5);
        return dot(tanh(y), target);
      }};
  add_direction(problem, random, device);
  return problem;
}

Problem batch_norm_fused(Device device) { return batch_norm_with(device, true); }
Problem batch_norm_in_parts(Device device) { return batch_norm_with(device, false); }

constexpr std::int64_t kTokens = 3;
constexpr std::int64_t kExperts = 4;
constexpr std::int64_t kWidth = 3;
constexpr std::int64_t kHidden = 4;
constexpr std::int64_t kTopK = 2;

Tensor gate_logits(Inputs in) { return matmul(in[0], in[1], false, true); }

/// "0,2 1,3 0,1": the experts of each token, ascending: which of them is the best makes no
/// difference.
std::string experts_of(Inputs in) {
  const Tensor logits = gate_logits(in).detach();
  return chosen_experts(gate(logits, kTopK, GateOrder::kTopKSoftmax).indices);
}

Problem mixture(Device device) {
  Generator random(8);
  const Tensor target = normal({kTokens, kWidth}, random, device);
  Problem problem{
      .title = "A mixture of four experts, two for each token",
      .about =
          "The edge from the logits to the chosen experts is grey: nothing flows back along it, so "
          "the Hessian is the one of this routing. The walk moves the first token until another "
          "expert takes the place of one of its two: there the loss breaks off, since the experts "
          "that change places have the same weight and different outputs.",
      .inputs = {{"x", normal({kTokens, kWidth}, random, device)},
                 {"gate.weight", normal({kExperts, kWidth}, random, device)},
                 {"experts.w_in", normal({kExperts, kHidden, kWidth}, random, device, 0.7)},
                 {"experts.w_out", normal({kExperts, kWidth, kHidden}, random, device, 0.7)}},
      .constants = {{"target", target}},
      .loss =
          [=](Inputs in) {
            const RoutedChoice route_of = route(gate_logits(in), kTopK, GateOrder::kTopKSoftmax);
            const Tensor y = moe_composed(in[0], route_of.choice.weights, route_of.routing,
                                          {.w_in = in[2], .b_in = {}, .w_out = in[3], .b_out = {}},
                                          kernels::ExpertActivation::kGelu);
            return mean(square(y - target));
          },
      .piece = experts_of};
  // Only the first token moves, so that the walk crosses margins of that token alone.
  for (const NamedValue& input : problem.inputs) {
    problem.direction.push_back(zeros_like(input.value));
  }
  const Tensor first = normal({1, kWidth}, random, device);
  problem.direction[0] = pad_rows(first, 0, kTokens);
  return problem;
}

}  // namespace

const std::vector<Example>& examples() {
  static const std::vector<Example> all = {{"cube", cube},
                                           {"micrograd", micrograd},
                                           {"perceptron", perceptron},
                                           {"softmax", softmax_cross_entropy},
                                           {"convolution", convolution},
                                           {"batch_norm", batch_norm_fused},
                                           {"batch_norm_composed", batch_norm_in_parts},
                                           {"moe", mixture}};
  return all;
}

Problem find_example(const std::string& name, Device device) {
  std::vector<std::string> known;
  for (const Example& example : examples()) {
    if (example.name == name) return example.make(device);
    known.push_back(example.name);
  }
  throw UsageError(fmt::format("graph: no example '{}' (there are: {}){}", name,
                               fmt::join(known, ", "), did_you_mean(name, known)));
}

}  // namespace switchyard::graph
