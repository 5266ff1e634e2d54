#include "engine/autograd/local_rule.h"

#include <cmath>

#include "engine/autograd/contraction.h"
#include "engine/autograd/grad.h"
#include "engine/autograd/rule_call.h"

namespace switchyard {
namespace {

/// A five-point difference of a number is off by about 1e-13 of it.
constexpr double kNoise = 1e-5;

double length(const Numbers& x) { return std::sqrt(inner_product(x, x)); }

Tensor random_of(const Shape& shape, Generator& random) {
  return random_normal(shape, DType::kFloat64, random.next(shape.numel()));
}

/// A leaf with the elements of `x`, or with none where its node did not save them: a rule can still
/// depend on such an input, through the operation's output.
Tensor leaf_of(const Tensor& x) {
  Tensor leaf = x.detach();
  leaf.set_node(Node::leaf(leaf), 0);
  return leaf;
}

/// A node with the same rule as `node`, whose inputs are leaves; `leaves` has one per input,
/// without history where that has none.
std::shared_ptr<Node> cut_off(const Node& node, std::vector<Tensor>& leaves) {
  std::vector<Tensor> inputs = node.inputs();
  for (Tensor& input : inputs) {
    leaves.push_back(input.requires_grad() ? leaf_of(input) : Tensor());
    if (input.requires_grad()) input = leaves.back();
  }
  return std::make_shared<Node>(node.name(), std::move(inputs), node.outputs(),
                                Saved::all_inputs().and_output(), node.rule());
}

std::vector<Tensor> leaves_among(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  std::vector<Tensor> all;
  for (const std::vector<Tensor>* tensors : {&a, &b}) {
    for (const Tensor& x : *tensors) {
      if (x.requires_grad()) all.push_back(x);
    }
  }
  return all;
}

}  // namespace

double Comparison::error() const {
  if (std::isnan(rule) || std::isnan(difference)) return 1.0;
  return scale > 0.0 ? std::abs(rule - difference) / scale : 0.0;
}

void Comparison::add(double& side, const Numbers& a, const Numbers& b) {
  side += inner_product(a, b);
  scale += length(a) * length(b);
}

void Comparison::add_noise(const Numbers& a, const Numbers& b) {
  scale += kNoise * length(a) * length(b);
}

LocalRule ask_rule(const std::shared_ptr<Node>& node, int pass, const std::vector<Numbers>& outputs,
                   const std::vector<bool>& needed, Generator& random) {
  LocalRule local;
  std::vector<Tensor> cotangents;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Tensor& output = node->outputs()[i];
    const bool flows = is_floating(output.dtype());
    cotangents.push_back(flows ? random_of(output.shape(), random) : Tensor());
    local.cotangents.push_back(flows ? cotangents.back().to_doubles() : Numbers{});
  }
  const NoGrad no_grad;
  const std::vector<Tensor> gradients = call_rule(node, pass, cotangents, needed);
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    const bool there = needed[i] && gradients[i].defined();
    local.gradients.push_back(there ? gradients[i].to_doubles() : Numbers{});
  }
  return local;
}

RuleDerivative differentiate_rule(const Node& node, const Replay::Call& call, Generator& random) {
  std::vector<Tensor> inputs;
  const std::shared_ptr<Node> alone = cut_off(node, inputs);
  std::vector<Tensor> cotangents;
  for (const Tensor& c : call.arrived) {
    cotangents.push_back(c.defined() ? c.detach().set_requires_grad() : Tensor());
  }
  std::vector<bool> needed;
  for (const Tensor& gradient : call.left) needed.push_back(gradient.defined());
  const std::vector<Tensor> gradients = call_rule(alone, call.pass, cotangents, needed);

  RuleDerivative result;
  std::vector<Tensor> outputs;
  std::vector<Tensor> flowing;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    const bool there = needed[i] && gradients[i].defined();
    const Tensor r = there ? random_of(gradients[i].shape(), random) : Tensor();
    result.weights.push_back(there ? r.to_doubles() : Numbers{});
    if (!there || !gradients[i].requires_grad()) continue;
    outputs.push_back(gradients[i]);
    flowing.push_back(r);
  }
  const std::vector<Tensor> by = leaves_among(inputs, cotangents);
  std::vector<Tensor> derivatives;
  if (!outputs.empty() && !by.empty()) derivatives = grad(outputs, by, flowing);
  std::size_t next = 0;
  const auto take = [&](const std::vector<Tensor>& tensors) {
    std::vector<Numbers> numbers;
    for (const Tensor& x : tensors) {
      const bool there = x.requires_grad() && !derivatives.empty();
      numbers.push_back(there ? derivatives[next++].to_doubles() : Numbers{});
    }
    return numbers;
  };
  result.by_inputs = take(inputs);
  result.by_cotangents = take(cotangents);
  return result;
}

}  // namespace switchyard
