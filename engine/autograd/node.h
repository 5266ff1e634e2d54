#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "engine/autograd/operation.h"
#include "engine/autograd/rule.h"
#include "engine/core/tensor.h"

namespace switchyard {

/// Says which tensors a rule will read. What is not saved is freed as soon as the caller drops it.
class Saved {
 public:
  static Saved nothing() { return {}; }
  static Saved all_inputs();
  /// The inputs with these numbers, each below kListable.
  static Saved inputs(std::initializer_list<std::size_t> numbers);
  /// Serves an operation that is linear in input 0, `a`, and in input 1, `b`: each is read only for
  /// the gradient of the other.
  static Saved partners(const Tensor& a, const Tensor& b);
  /// Returns these and input `number`, below kListable.
  Saved and_input(std::size_t number) const;
  /// All outputs, and no input.
  static Saved output() { return nothing().and_output(); }
  /// Returns these inputs, and all outputs if `wanted`.
  Saved and_output(bool wanted = true) const;

  bool has_input(std::size_t i) const { return all_inputs_ || (i < kListable && listed_[i]); }
  bool has_outputs() const { return outputs_; }

 private:
  /// An operation of more inputs than these saves all of them or only some of the first.
  static constexpr std::size_t kListable = 8;

  std::array<bool, kListable> listed_{};
  bool all_inputs_ = false;
  bool outputs_ = false;
};

/// One recorded operation: its name, its inputs (which point to earlier nodes), the tensors that
/// its rule reads, and the rule. Outputs are stored without their history; Tensors own Nodes, never
/// the reverse.
class Node {
 public:
  Node(const Operation& operation, std::vector<Tensor> inputs, const std::vector<Tensor>& outputs,
       Saved saved, Rule rule);
  /// Frees long chains iteratively: a deep graph must not overflow the stack. Needs no memory.
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  static std::shared_ptr<Node> leaf(const Tensor& tensor);

  std::string_view name() const { return name_; }
  std::span<const Attribute> attributes() const { return attributes_; }
  /// Numbers nodes in the order of their birth, from 1: unique in the process.
  std::uint64_t id() const { return id_; }
  /// Says which pass made it: 0 the forward pass, 1 the backward pass, 2 the one through that.
  int pass() const { return pass_; }
  /// The id of the node whose rule made it; 0 where no rule did.
  std::uint64_t parent() const { return parent_; }
  bool is_leaf() const { return leaf_; }
  const std::vector<Tensor>& inputs() const { return inputs_; }
  const std::vector<Tensor>& outputs() const { return outputs_; }
  /// Versions that the storages of inputs and outputs had when they were recorded.
  const std::vector<std::uint64_t>& input_versions() const { return input_versions_; }
  const std::vector<std::uint64_t>& output_versions() const { return output_versions_; }
  const Rule& rule() const { return rule_; }
  bool released() const { return released_; }
  /// Drops saved tensors and inputs once a gradient has passed through.
  void release();

 private:
  static void detach_dying(std::vector<Tensor>& inputs, std::shared_ptr<Node>& dying);

  std::string_view name_;  // a string literal of the operation
  std::vector<Attribute> attributes_;
  std::uint64_t id_;
  std::uint64_t parent_;
  int pass_;
  std::vector<Tensor> inputs_;
  std::vector<Tensor> outputs_;
  std::vector<std::uint64_t> input_versions_;
  std::vector<std::uint64_t> output_versions_;
  Rule rule_;
  bool leaf_;
  bool released_ = false;
  std::shared_ptr<Node> next_dying_;  // of the list that a destructor works through
};

// ---- recording (what operations call)

bool grad_enabled();

/// Within its scope operations record (`record` true) or do not; restores the outer mode at its
/// end.
class GradMode {
 public:
  explicit GradMode(bool record);
  ~GradMode();
  GradMode(const GradMode&) = delete;
  GradMode& operator=(const GradMode&) = delete;

 private:
  bool previous_;
};

/// Within its scope operations record nothing.
class NoGrad : GradMode {
 public:
  NoGrad() : GradMode(false) {}
};

/// True when a result computed from `inputs` would be recorded: lets an operation skip work that
/// only its derivative needs.
bool records(std::initializer_list<const Tensor*> inputs);

/// Attaches `outputs` to a new node if gradients are enabled and any input requires one; otherwise
/// returns them as they are. The operation's name and attributes' texts must outlive the graph: use
/// literals.
std::vector<Tensor> record(const Operation& operation, std::vector<Tensor> outputs,
                           std::vector<Tensor> inputs, Saved saved, Rule rule);
Tensor record(const Operation& operation, Tensor output, std::vector<Tensor> inputs, Saved saved,
              Rule rule);
/// Records an operation that has no derivative (of this order): asking for one throws "[name] has
/// no derivative ...".
Tensor record_without_derivative(std::string_view name, Tensor output, std::vector<Tensor> inputs);

}  // namespace switchyard
