#include "engine/autograd/node.h"

#include <algorithm>

namespace switchyard {
namespace {

thread_local bool recording = true;

}  // namespace

const Tensor& Vjp::input(std::size_t i) const {
  check(inputs_[i].defined(), "[{}] its rule reads input {}, which was not saved", node_.name(), i);
  return inputs_[i];
}

const Tensor& Vjp::output(std::size_t i) const {
  check(outputs_[i].defined(), "[{}] its rule reads output {}, which was not saved", node_.name(),
        i);
  return outputs_[i];
}

Node::Node(std::string_view name, std::vector<Tensor> inputs, const std::vector<Tensor>& outputs,
           Saved saved, Rule rule)
    : name_(name), inputs_(std::move(inputs)), rule_(std::move(rule)), leaf_(rule_ == nullptr) {
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    if ((saved.inputs >> i & 1U) == 0) inputs_[i] = inputs_[i].without_storage();
  }
  outputs_.reserve(outputs.size());
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Tensor plain = outputs[i].detach();
    outputs_.push_back((saved.outputs >> i & 1U) != 0 ? plain : plain.without_storage());
  }
}

Node::~Node() {
  // Inputs own the nodes before this one. Collect the nodes that die with it on a list instead of
  // recursing through their destructors.
  thread_local std::vector<std::shared_ptr<Node>>* pending = nullptr;
  std::vector<std::shared_ptr<Node>> mine;
  const bool outermost = pending == nullptr;
  if (outermost) pending = &mine;
  for (Tensor& input : inputs_) {
    if (input.node() != nullptr) pending->push_back(input.node());
  }
  inputs_.clear();
  if (!outermost) return;
  while (!mine.empty()) {
    std::shared_ptr<Node> next = std::move(mine.back());
    mine.pop_back();
    next.reset();  // may push its own inputs
  }
  pending = nullptr;
}

std::shared_ptr<Node> Node::leaf(const Tensor& tensor) {
  return std::make_shared<Node>("leaf", std::vector<Tensor>{}, std::vector<Tensor>{tensor},
                                Saved::nothing(), nullptr);
}

void Node::release() {
  if (is_leaf()) return;
  released_ = true;
  rule_ = nullptr;
  for (Tensor& input : inputs_) input = input.without_storage();
  for (Tensor& output : outputs_) output = output.without_storage();
}

bool grad_enabled() { return recording; }

GradMode::GradMode(bool record) : previous_(recording) { recording = record; }
GradMode::~GradMode() { recording = previous_; }

bool records(std::initializer_list<const Tensor*> inputs) {
  return recording && std::any_of(inputs.begin(), inputs.end(),
                                  [](const Tensor* t) { return t->requires_grad(); });
}

std::vector<Tensor> record(std::string_view name, std::vector<Tensor> outputs,
                           std::vector<Tensor> inputs, Saved saved, Rule rule) {
  const bool any =
      std::any_of(inputs.begin(), inputs.end(), [](const Tensor& t) { return t.requires_grad(); });
  if (!recording || !any) return outputs;
  const auto node =
      std::make_shared<Node>(name, std::move(inputs), outputs, saved, std::move(rule));
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (is_floating(outputs[i].dtype())) outputs[i].set_node(node, static_cast<int>(i));
  }
  return outputs;
}

Tensor record(std::string_view name, Tensor output, std::vector<Tensor> inputs, Saved saved,
              Rule rule) {
  std::vector<Tensor> outputs;
  outputs.push_back(std::move(output));
  return std::move(record(name, std::move(outputs), std::move(inputs), saved, std::move(rule))[0]);
}

Tensor record_without_derivative(std::string_view name, Tensor output, std::vector<Tensor> inputs) {
  return record(name, std::move(output), std::move(inputs), Saved::nothing(),
                [name](const Vjp&) -> std::vector<Tensor> {
                  throw Error(fmt::format("[{}] has no derivative of this order", name));
                });
}

}  // namespace switchyard
