#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "engine/autograd/operation.h"
#include "engine/core/tensor.h"

namespace switchyard {

class Node;

/// Sees what autograd does on one thread, as it happens. Each function does nothing unless it is
/// overridden. None of them may record operations or take gradients, and what one throws goes to
/// whoever computes. Without an observer each of these places costs one comparison.
class Observer {
 public:
  Observer() = default;
  virtual ~Observer() = default;
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;

  /// A node was recorded, or a leaf made. `outputs` belong to it; integers have no history.
  virtual void node_born(const std::shared_ptr<Node>& /*node*/,
                         std::span<const Tensor> /*outputs*/) {}
  /// The rule of `node` will be called in pass `pass` (Node::pass of what it makes). `cotangents`
  /// arrived, one per output, undefined where none did.
  virtual void rule_called(const Node& /*node*/, int /*pass*/,
                           std::span<const Tensor> /*cotangents*/) {}
  /// It returned `gradients`, one per input; undefined where there is none. Not called where it
  /// throws.
  virtual void rule_returned(const Node& /*node*/, int /*pass*/,
                             std::span<const Tensor> /*gradients*/) {}
  /// `chosen`, integers, was computed from `from`: nothing flows back along it.
  virtual void selected(const Operation& /*operation*/, const Tensor& /*from*/,
                        const Tensor& /*chosen*/) {}
  /// A gradient passed and `node` dropped its rule and the tensors that it had saved.
  virtual void node_released(const Node& /*node*/) {}
};

/// Says whose rule this thread is in: what is recorded now has that node as its parent.
struct RuleInProgress {
  std::uint64_t node = 0;  ///< Node::id; 0: no rule runs
  int pass = 0;
};

namespace internal {

// In the header, so that to look costs a load where nobody observes.
inline constinit thread_local Observer* observer_here = nullptr;
inline constinit thread_local RuleInProgress rule_here;

}  // namespace internal

/// The observer of this thread; null where there is none.
inline Observer* current_observer() { return internal::observer_here; }
inline RuleInProgress current_rule() { return internal::rule_here; }

/// Within its scope `observer` sees what this thread does; restores the outer observer at its end.
class Observing {
 public:
  explicit Observing(Observer& observer) : outer_(internal::observer_here) {
    internal::observer_here = &observer;
  }
  ~Observing() { internal::observer_here = outer_; }
  Observing(const Observing&) = delete;
  Observing& operator=(const Observing&) = delete;

 private:
  Observer* outer_;
};

/// What operations call whose result carries no gradient: tells this thread's observer.
inline void observe_selection(const Operation& operation, const Tensor& from,
                              const Tensor& chosen) {
  if (Observer* const observer = current_observer()) observer->selected(operation, from, chosen);
}

/// Within its scope the rule of a node is in progress. grad() alone makes one.
class RuleScope {
 public:
  explicit RuleScope(RuleInProgress rule) : outer_(internal::rule_here) {
    internal::rule_here = rule;
  }
  ~RuleScope() { internal::rule_here = outer_; }
  RuleScope(const RuleScope&) = delete;
  RuleScope& operator=(const RuleScope&) = delete;

 private:
  RuleInProgress outer_;
};

}  // namespace switchyard
