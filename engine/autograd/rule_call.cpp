#include "engine/autograd/rule_call.h"

#include "engine/autograd/observer.h"

namespace switchyard {
namespace {

/// The node's outputs as tensors that belong to the graph again, for rules that read them.
std::vector<Tensor> attached_outputs(const std::shared_ptr<Node>& node) {
  std::vector<Tensor> outputs = node->outputs();
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].defined()) outputs[i].set_node(node, static_cast<int>(i));
  }
  return outputs;
}

void check_gradients(const Node& node, const std::vector<Tensor>& gradients,
                     const std::vector<bool>& needed) {
  check(gradients.size() == node.inputs().size(),
        "[{}] its rule returned {} gradients for {} inputs", node.name(), gradients.size(),
        node.inputs().size());
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (!needed[i] || !gradients[i].defined()) continue;
    check(gradients[i].shape() == node.inputs()[i].shape(),
          "[{}] its rule returned a gradient of shape {} for input {} of shape {}", node.name(),
          gradients[i].shape(), i, node.inputs()[i].shape());
  }
}

}  // namespace

std::vector<Tensor> call_rule(const std::shared_ptr<Node>& node, int pass,
                              const std::vector<Tensor>& cotangents,
                              const std::vector<bool>& needed, WaitingSums* waiting) {
  check(!node->released(),
        "[{}] its saved tensors were freed by an earlier gradient; pass retain_graph to keep them",
        node->name());
  Observer* const observer = current_observer();
  if (observer != nullptr) observer->rule_called(*node, pass, cotangents);
  // What an observer sees is the rule's gradient by itself, and its sum an operation of its own.
  if (observer != nullptr) waiting = nullptr;
  const std::vector<Tensor> outputs = attached_outputs(node);
  std::vector<Tensor> gradients =
      node->rule()(Vjp(*node, node->inputs(), outputs, cotangents, needed, waiting));
  check_gradients(*node, gradients, needed);
  if (observer != nullptr) observer->rule_returned(*node, pass, gradients);
  return gradients;
}

}  // namespace switchyard
