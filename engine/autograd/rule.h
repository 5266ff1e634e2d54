#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/core/tensor.h"

namespace switchyard {

class Node;
class WaitingSums;

/// Holds what a derivative rule sees: the operation's inputs, outputs and the outputs' cotangents.
/// Everything it returns is computed with differentiable operations, so a rule is its own second
/// derivative.
class Vjp {
 public:
  Vjp(const Node& node, const std::vector<Tensor>& inputs, const std::vector<Tensor>& outputs,
      const std::vector<Tensor>& cotangents, const std::vector<bool>& needed,
      WaitingSums* waiting = nullptr)
      : node_(node),
        inputs_(inputs),
        outputs_(outputs),
        cotangents_(cotangents),
        needed_(needed),
        waiting_(waiting) {}

  /// Returns input `i`. Errors: the operation did not ask to save it; it was overwritten in place
  /// since.
  const Tensor& input(std::size_t i) const;
  /// Output `i`, still connected to this operation. Errors as for an input.
  const Tensor& output(std::size_t i = 0) const;
  const Shape& input_shape(std::size_t i) const { return inputs_[i].shape(); }
  /// Returns the cotangent of output `i`; undefined where nothing flows into that output of a
  /// multi-output node.
  const Tensor& cotangent(std::size_t i = 0) const { return cotangents_[i]; }
  /// Returns whether the caller wants the gradient of input `i`; a rule may return an undefined
  /// tensor if not.
  bool needs(std::size_t i) const { return needed_[i]; }
  /// For a rule whose kernel can add to a sum: takes the sum of the gradients that other operations
  /// have left at input `i`. That gradient must be needed, and the one that the rule returns must
  /// contain the sum. Undefined where nothing waits, and where somebody wants to see the rule's
  /// gradient by itself: an observer, or whoever calls a rule outside of grad().
  Tensor take_waiting(std::size_t i) const;

 private:
  const Node& node_;
  const std::vector<Tensor>& inputs_;
  const std::vector<Tensor>& outputs_;
  const std::vector<Tensor>& cotangents_;
  const std::vector<bool>& needed_;
  WaitingSums* waiting_;
};

/// Names a line of the source.
struct SourcePlace {
  const char* file = "";  ///< as the compiler was given it
  int line = 0;           ///< 0: none
};

/// A derivative rule: returns one gradient per input, in order; undefined where there is none. Must
/// not capture tensors that have history (it gets them as arguments), hence no reference cycles. A
/// tensor that it captures is not protected against being overwritten: what may be, is an input.
///
/// A lambda becomes a rule where it is written, and the rule remembers that place.
class Rule {
 public:
  using Function = std::function<std::vector<Tensor>(const Vjp&)>;

  Rule() = default;
  template <std::invocable<const Vjp&> F>
  requires(!std::same_as<std::remove_cvref_t<F>, Rule>)
      // NOLINTNEXTLINE(google-explicit-constructor,bugprone-forwarding-reference-overload)
      Rule(F&& function, const char* file = __builtin_FILE(), int line = __builtin_LINE())
      : function_(std::forward<F>(function)), place_{file, line} {}

  std::vector<Tensor> operator()(const Vjp& v) const { return function_(v); }
  explicit operator bool() const { return static_cast<bool>(function_); }
  SourcePlace place() const { return place_; }

 private:
  Function function_;
  SourcePlace place_;
};

}  // namespace switchyard
