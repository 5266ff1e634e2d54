#include "engine/autograd/grad.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "engine/autograd/accumulate.h"
#include "engine/autograd/node.h"
#include "engine/autograd/observer.h"
#include "engine/autograd/rule_call.h"
#include "engine/autograd/waiting_sums.h"

namespace switchyard {
namespace {

using NodePtr = std::shared_ptr<Node>;

/// Nodes reachable from `roots`, each after all nodes it depends on.
std::vector<NodePtr> topological_order(std::span<const Tensor> roots) {
  struct Frame {
    NodePtr node;
    std::size_t next_input;
  };
  std::vector<NodePtr> order;
  std::unordered_set<const Node*> seen;
  std::vector<Frame> stack;
  const auto visit = [&](const Tensor& tensor) {
    const NodePtr& node = tensor.node();
    if (node != nullptr && seen.insert(node.get()).second) stack.push_back({node, 0});
  };
  for (const Tensor& root : roots) {
    visit(root);
    while (!stack.empty()) {
      Frame& top = stack.back();
      if (top.next_input < top.node->inputs().size()) {
        visit(top.node->inputs()[top.next_input++]);
      } else {
        order.push_back(std::move(top.node));
        stack.pop_back();
      }
    }
  }
  return order;
}

/// Cotangents that wait at each node's outputs.
class Cotangents : public WaitingSums {
 public:
  explicit Cotangents(bool create_graph) : create_graph_(create_graph) {}

  void add(const Tensor& target, Tensor cotangent) {
    std::vector<Tensor>& slots = waiting_[target.node().get()];
    const auto index = static_cast<std::size_t>(target.output_index());
    if (slots.size() <= index) slots.resize(index + 1);
    Tensor& slot = slots[index];
    if (!slot.defined()) {
      slot = std::move(cotangent);
    } else if (!create_graph_ && slot.owns_storage_alone()) {
      add_in_place(slot, cotangent);
    } else {
      slot = accumulate(slot, cotangent);
    }
  }

  /// Returns what waits at `target`; undefined if nothing does.
  Tensor find(const Tensor& target) {
    const Tensor* const slot = slot_of(target);
    return slot != nullptr ? *slot : Tensor();
  }

  Tensor take(const Tensor& target) override {
    Tensor* const slot = slot_of(target);
    return slot != nullptr ? std::exchange(*slot, Tensor()) : Tensor();
  }

  /// Removes and returns what waits at `node`, one entry per output; empty if nothing does.
  std::vector<Tensor> take(const Node& node) {
    auto extracted = waiting_.extract(&node);
    if (extracted.empty()) return {};
    std::vector<Tensor> cotangents = std::move(extracted.mapped());
    cotangents.resize(node.outputs().size());
    return cotangents;
  }

 private:
  Tensor* slot_of(const Tensor& target) {
    const auto found = waiting_.find(target.node().get());
    const auto index = static_cast<std::size_t>(target.output_index());
    if (found == waiting_.end() || found->second.size() <= index) return nullptr;
    return &found->second[index];
  }

  bool create_graph_;
  std::unordered_map<const Node*, std::vector<Tensor>> waiting_;
};

using NodeSet = std::unordered_set<const Node*>;

bool leads_to(const NodeSet& wanted, const Node& node) {
  return std::any_of(node.inputs().begin(), node.inputs().end(), [&](const Tensor& t) {
    return t.node() != nullptr && wanted.contains(t.node().get());
  });
}

/// Nodes among `order` that are an input's or through which an input can be reached.
NodeSet nodes_towards(std::span<const Tensor> inputs, const std::vector<NodePtr>& order) {
  NodeSet wanted;
  for (const Tensor& input : inputs) wanted.insert(input.node().get());
  for (const NodePtr& node : order) {
    if (leads_to(wanted, *node)) wanted.insert(node.get());
  }
  return wanted;
}

/// The pass that a gradient of `outputs` is: one more than theirs. A gradient that a rule takes of
/// a composed form belongs to the pass of that rule.
int pass_over(std::span<const Tensor> outputs) {
  if (current_rule().node != 0) return current_rule().pass;
  int pass = 0;
  for (const Tensor& output : outputs) pass = std::max(pass, output.node()->pass());
  return pass + 1;
}

void propagate(const NodePtr& node, int pass, const std::vector<Tensor>& cotangents,
               const NodeSet& wanted, Cotangents& waiting) {
  std::vector<bool> needed;
  for (const Tensor& input : node->inputs()) {
    needed.push_back(input.node() != nullptr && wanted.contains(input.node().get()));
  }
  const RuleScope scope({.node = node->id(), .pass = pass});  // the sums below belong to it too
  std::vector<Tensor> gradients = call_rule(node, pass, cotangents, needed, &waiting);
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (!needed[i] || !gradients[i].defined()) continue;
    waiting.add(node->inputs()[i], std::move(gradients[i]));
  }
}

void release(Node& node) {
  node.release();
  if (Observer* const observer = current_observer()) observer->node_released(node);
}

void seed(std::span<const Tensor> outputs, std::span<const Tensor> cotangents,
          Cotangents& waiting) {
  check(cotangents.empty() || cotangents.size() == outputs.size(),
        "[grad] {} cotangents for {} outputs", cotangents.size(), outputs.size());
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Tensor& output = outputs[i];
    check(output.requires_grad(),
          "[grad] output {} does not depend on anything that requires a gradient", i);
    check(!cotangents.empty() || output.numel() == 1,
          "[grad] output {} of shape {} needs a cotangent: only a scalar has a default", i,
          output.shape());
    Tensor cotangent = cotangents.empty()
                           ? Tensor::full(output.shape(), 1.0, output.dtype(), output.device())
                           : cotangents[i];
    check(cotangent.shape() == output.shape(), "[grad] cotangent {} has shape {}, its output {}", i,
          cotangent.shape(), output.shape());
    check_same_kind("grad", {&output, &cotangent});
    waiting.add(output, std::move(cotangent));
  }
}

/// Copies a value into memory of its own, at the same place in the graph.
Tensor in_memory_of_its_own(const Tensor& x) {
  Tensor copy = x.clone();
  copy.set_node(x.node(), x.output_index());
  return copy;
}

/// Makes every gradient the only owner of its memory. Rules pass cotangents through, so that one
/// may be the caller's, another input's, or saved in a graph. Inputs that nothing led to get zeros.
void finish(std::vector<Tensor>& gradients, std::span<const Tensor> inputs) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!gradients[i].defined()) {
      gradients[i] = zeros_like(inputs[i]);
    } else if (!gradients[i].owns_storage_alone()) {
      gradients[i] = in_memory_of_its_own(gradients[i]);
    }
  }
}

}  // namespace

std::vector<Tensor> grad(std::span<const Tensor> outputs, std::span<const Tensor> inputs,
                         std::span<const Tensor> cotangents, GradOptions options) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    check(inputs[i].requires_grad(), "[grad] input {} does not require a gradient", i);
  }
  Cotangents waiting(options.create_graph);
  seed(outputs, cotangents, waiting);
  const std::vector<NodePtr> order = topological_order(outputs);
  const NodeSet wanted = nodes_towards(inputs, order);
  std::unordered_map<const Node*, std::vector<std::size_t>> targets;
  for (std::size_t i = 0; i < inputs.size(); ++i) targets[inputs[i].node().get()].push_back(i);

  const int pass = pass_over(outputs);
  const bool keep = options.create_graph || options.retain_graph;
  const GradMode mode(
      options.create_graph);  // rules record only if the gradient is to be differentiated
  std::vector<Tensor> gradients(inputs.size());
  for (auto it = order.rbegin(); it != order.rend(); ++it) {
    const NodePtr& node = *it;
    if (const auto target = targets.find(node.get()); target != targets.end()) {
      for (std::size_t i : target->second) gradients[i] = waiting.find(inputs[i]);
    }
    const std::vector<Tensor> arrived = waiting.take(*node);
    if (arrived.empty() || !leads_to(wanted, *node)) continue;
    propagate(node, pass, arrived, wanted, waiting);
    if (!keep) release(*node);
  }
  finish(gradients, inputs);
  return gradients;
}

std::vector<Tensor> grad(const Tensor& output, std::span<const Tensor> inputs,
                         GradOptions options) {
  return grad(std::span(&output, 1), inputs, {}, options);
}

}  // namespace switchyard
