#pragma once

#include <memory>
#include <vector>

#include "engine/autograd/node.h"

namespace switchyard {

/// Calls the rule of `node` in pass `pass`: returns one gradient per input. `needed` says which of
/// them are wanted. What waits at its inputs in `waiting` the rule may take and add to, unless an
/// observer of this thread sees the call. A RuleScope is the caller's to make.
/// Errors: saved tensors that were freed or overwritten; a rule that returns too few gradients, or
/// one of another shape; what the rule throws.
std::vector<Tensor> call_rule(const std::shared_ptr<Node>& node, int pass,
                              const std::vector<Tensor>& cotangents,
                              const std::vector<bool>& needed, WaitingSums* waiting = nullptr);

}  // namespace switchyard
