#pragma once

#include <cstddef>

#include "engine/core/tensor.h"

namespace switchyard {

class Node;

/// The sums of gradients that wait at tensors while a gradient is taken.
class WaitingSums {
 public:
  WaitingSums() = default;
  virtual ~WaitingSums() = default;
  WaitingSums(const WaitingSums&) = delete;
  WaitingSums& operator=(const WaitingSums&) = delete;

  /// Removes and returns what waits at `tensor`; undefined if nothing does.
  virtual Tensor take(const Tensor& tensor) = 0;
};

/// For a rule whose kernel can add to a sum: takes the sum of the gradients that other operations
/// have left at input `i` of the node whose rule runs on this thread. The rule must be asked for
/// that gradient (Vjp::needs), and the one that it returns must contain the sum. Undefined where
/// nothing waits, and where somebody wants to see the rule's gradient by itself: an observer, or
/// whoever calls a rule outside of grad().
Tensor take_waiting(std::size_t i);

/// Within its scope the rule of `node` runs, and may take what waits in `sums` (null: nothing) at
/// the node's inputs; restores the outer scope at its end. call_rule() alone makes one.
class WaitingScope {
 public:
  WaitingScope(const Node& node, WaitingSums* sums);
  ~WaitingScope();
  WaitingScope(const WaitingScope&) = delete;
  WaitingScope& operator=(const WaitingScope&) = delete;

 private:
  const Node* outer_node_;
  WaitingSums* outer_sums_;
};

}  // namespace switchyard
