#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "engine/core/tensor.h"

namespace switchyard {

class Node;

/// What a derivative rule sees: the operation's inputs, outputs and the outputs' cotangents.
/// Everything it returns is computed with differentiable operations, so a rule is its own second
/// derivative.
class Vjp {
 public:
  Vjp(const Node& node, const std::vector<Tensor>& inputs, const std::vector<Tensor>& outputs,
      const std::vector<Tensor>& cotangents, const std::vector<bool>& needed)
      : node_(node), inputs_(inputs), outputs_(outputs), cotangents_(cotangents), needed_(needed) {}

  /// Input `i`; Error if the operation did not ask to save it.
  const Tensor& input(std::size_t i) const;
  /// Output `i`, still connected to this operation; Error if it was not saved.
  const Tensor& output(std::size_t i = 0) const;
  const Shape& input_shape(std::size_t i) const { return inputs_[i].shape(); }
  /// Cotangent of output `i`; undefined where nothing flows into that output of a multi-output
  /// node.
  const Tensor& cotangent(std::size_t i = 0) const { return cotangents_[i]; }
  /// Whether the caller wants the gradient of input `i`; a rule may return an undefined tensor if
  /// not.
  bool needs(std::size_t i) const { return needed_[i]; }

 private:
  const Node& node_;
  const std::vector<Tensor>& inputs_;
  const std::vector<Tensor>& outputs_;
  const std::vector<Tensor>& cotangents_;
  const std::vector<bool>& needed_;
};

/// Returns one gradient per input, in order; undefined where there is none. Must not capture
/// tensors that have history (it gets them as arguments), hence no reference cycles.
using Rule = std::function<std::vector<Tensor>(const Vjp&)>;

/// Which tensors a rule will read. What is not saved is freed as soon as the caller drops it.
struct Saved {
  std::uint32_t inputs = 0;   ///< bit i: input i
  std::uint32_t outputs = 0;  ///< bit i: output i

  static constexpr Saved nothing() { return {}; }
  static constexpr Saved all_inputs() { return {~0U, 0}; }
  static constexpr Saved output() { return {0, 1U}; }
  static constexpr Saved everything() { return {~0U, ~0U}; }
};

/// One recorded operation: its name, its inputs (which point to earlier nodes), the tensors that
/// its rule reads, and the rule. Outputs are stored without their history; Tensors own Nodes, never
/// the reverse.
class Node {
 public:
  Node(std::string_view name, std::vector<Tensor> inputs, const std::vector<Tensor>& outputs,
       Saved saved, Rule rule);
  /// Frees long chains iteratively: a deep graph must not overflow the stack.
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  static std::shared_ptr<Node> leaf(const Tensor& tensor);

  std::string_view name() const { return name_; }
  bool is_leaf() const { return leaf_; }
  const std::vector<Tensor>& inputs() const { return inputs_; }
  const std::vector<Tensor>& outputs() const { return outputs_; }
  const Rule& rule() const { return rule_; }
  bool released() const { return released_; }
  /// Drops saved tensors and inputs once a gradient has passed through.
  void release();

  /// Leaves only: the gradient that backward() accumulates here.
  Tensor& gradient() { return gradient_; }

 private:
  std::string_view name_;  // a string literal of the operation
  std::vector<Tensor> inputs_;
  std::vector<Tensor> outputs_;
  Rule rule_;
  bool leaf_;
  Tensor gradient_;
  bool released_ = false;
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
/// returns them as they are. `name` must outlive the graph (use a literal).
std::vector<Tensor> record(std::string_view name, std::vector<Tensor> outputs,
                           std::vector<Tensor> inputs, Saved saved, Rule rule);
Tensor record(std::string_view name, Tensor output, std::vector<Tensor> inputs, Saved saved,
              Rule rule);
/// For an operation that has no derivative (of this order): asking for one throws
/// "[name] has no derivative ...".
Tensor record_without_derivative(std::string_view name, Tensor output, std::vector<Tensor> inputs);

}  // namespace switchyard
