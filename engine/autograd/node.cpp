#include "engine/autograd/node.h"

#include <algorithm>
#include <atomic>

#include "engine/autograd/observer.h"
#include "engine/autograd/waiting_sums.h"

namespace switchyard {
namespace {

thread_local bool recording = true;
std::atomic<std::uint64_t> last_id = 0;

/// The pass of a node that no rule makes is that of what it is computed from.
int pass_of(const std::vector<Tensor>& inputs) {
  int pass = 0;
  for (const Tensor& input : inputs) {
    if (input.node() != nullptr) pass = std::max(pass, input.node()->pass());
  }
  return pass;
}

void check_unchanged(const Node& node, std::string_view role, std::size_t number,
                     const Tensor& tensor, std::uint64_t recorded) {
  check(tensor.version() == recorded,
        "[{}] its {} {} of shape {} was overwritten in place after the operation had saved it for "
        "its derivative",
        node.name(), role, number, tensor.shape());
}

}  // namespace

Tensor Vjp::take_waiting(std::size_t i) const {
  return waiting_ != nullptr ? waiting_->take(inputs_[i]) : Tensor();
}

const Tensor& Vjp::input(std::size_t i) const {
  check(inputs_[i].defined(), "[{}] its rule reads input {}, which was not saved", node_.name(), i);
  check_unchanged(node_, "input", i, inputs_[i], node_.input_versions()[i]);
  return inputs_[i];
}

const Tensor& Vjp::output(std::size_t i) const {
  check(outputs_[i].defined(), "[{}] its rule reads output {}, which was not saved", node_.name(),
        i);
  check_unchanged(node_, "output", i, outputs_[i], node_.output_versions()[i]);
  return outputs_[i];
}

Saved Saved::all_inputs() {
  Saved saved;
  saved.all_inputs_ = true;
  return saved;
}

Saved Saved::inputs(std::initializer_list<std::size_t> numbers) {
  Saved saved;
  for (const std::size_t number : numbers) saved = saved.and_input(number);
  return saved;
}

Saved Saved::and_input(std::size_t number) const {
  check(number < kListable, "[record] input {} cannot be listed, only the first {}", number,
        std::size_t{kListable});
  Saved saved = *this;
  saved.listed_[number] = true;
  return saved;
}

Saved Saved::partners(const Tensor& a, const Tensor& b) {
  Saved saved;
  saved.listed_[0] = b.requires_grad();
  saved.listed_[1] = a.requires_grad();
  return saved;
}

Saved Saved::and_output(bool wanted) const {
  Saved saved = *this;
  saved.outputs_ = wanted;
  return saved;
}

Node::Node(const Operation& operation, std::vector<Tensor> inputs,
           const std::vector<Tensor>& outputs, Saved saved, Rule rule)
    : name_(operation.name()),
      attributes_(operation.attributes().begin(), operation.attributes().end()),
      id_(last_id.fetch_add(1, std::memory_order_relaxed) + 1),
      parent_(current_rule().node),
      pass_(parent_ != 0 ? current_rule().pass : pass_of(inputs)),
      inputs_(std::move(inputs)),
      rule_(std::move(rule)),
      leaf_(!rule_) {
  input_versions_.reserve(inputs_.size());
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    input_versions_.push_back(inputs_[i].version());
    if (!saved.has_input(i)) inputs_[i] = inputs_[i].without_storage();
  }
  outputs_.reserve(outputs.size());
  output_versions_.reserve(outputs.size());
  for (const Tensor& output : outputs) {
    const Tensor plain = output.detach();
    output_versions_.push_back(output.version());
    outputs_.push_back(saved.has_outputs() ? plain : plain.without_storage());
  }
}

/// Takes the nodes before `inputs` away from them and puts those that nobody else owns on a list.
void Node::detach_dying(std::vector<Tensor>& inputs, std::shared_ptr<Node>& dying) {
  for (Tensor& input : inputs) {
    std::shared_ptr<Node> node = input.node();
    input.set_node(nullptr, 0);
    if (node == nullptr || node.use_count() > 1) continue;
    node->next_dying_ = std::move(dying);
    dying = std::move(node);
  }
}

Node::~Node() {
  // Inputs own the nodes before this one. Those that die with it lose their own inputs first, so
  // that their destructors have nothing left to descend into.
  std::shared_ptr<Node> dying;
  detach_dying(inputs_, dying);
  while (dying != nullptr) {
    const std::shared_ptr<Node> node = std::move(dying);
    dying = std::move(node->next_dying_);
    detach_dying(node->inputs_, dying);
  }
}

std::shared_ptr<Node> Node::leaf(const Tensor& tensor) {
  return std::make_shared<Node>("leaf", std::vector<Tensor>{}, std::vector<Tensor>{tensor},
                                Saved::nothing(), Rule());
}

void Node::release() {
  if (is_leaf()) return;
  released_ = true;
  rule_ = {};
  for (Tensor& input : inputs_) input = input.without_storage();
  for (Tensor& output : outputs_) output = output.without_storage();
}

Tensor& Tensor::set_requires_grad() {
  check(defined() && is_floating(dtype()), "only floating-point tensors have gradients, got {}",
        switchyard::name(dtype()));
  if (node_ != nullptr) return *this;
  set_node(Node::leaf(*this), 0);
  if (Observer* const observer = current_observer()) observer->node_born(node_, std::span(this, 1));
  return *this;
}

bool grad_enabled() { return recording; }

GradMode::GradMode(bool record) : previous_(recording) { recording = record; }
GradMode::~GradMode() { recording = previous_; }

bool records(std::initializer_list<const Tensor*> inputs) {
  return recording && std::any_of(inputs.begin(), inputs.end(),
                                  [](const Tensor* t) { return t->requires_grad(); });
}

std::vector<Tensor> record(const Operation& operation, std::vector<Tensor> outputs,
                           std::vector<Tensor> inputs, Saved saved, Rule rule) {
  const bool any =
      std::any_of(inputs.begin(), inputs.end(), [](const Tensor& t) { return t.requires_grad(); });
  if (!recording || !any) return outputs;
  const auto node =
      std::make_shared<Node>(operation, std::move(inputs), outputs, saved, std::move(rule));
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (is_floating(outputs[i].dtype())) outputs[i].set_node(node, static_cast<int>(i));
  }
  if (Observer* const observer = current_observer()) observer->node_born(node, outputs);
  return outputs;
}

Tensor record(const Operation& operation, Tensor output, std::vector<Tensor> inputs, Saved saved,
              Rule rule) {
  std::vector<Tensor> outputs;
  outputs.push_back(std::move(output));
  return std::move(
      record(operation, std::move(outputs), std::move(inputs), saved, std::move(rule))[0]);
}

Tensor record_without_derivative(std::string_view name, Tensor output, std::vector<Tensor> inputs) {
  return record(name, std::move(output), std::move(inputs), Saved::nothing(),
                [name](const Vjp&) -> std::vector<Tensor> {
                  throw Error(fmt::format("[{}] has no derivative of this order", name));
                });
}

}  // namespace switchyard
