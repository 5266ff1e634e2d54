#pragma once

#include <memory>
#include <vector>

#include "engine/autograd/node.h"
#include "engine/autograd/replay.h"
#include "engine/core/random.h"

// What explain() asks of one rule by itself.

namespace switchyard {

/// A derivative along some direction, twice.
struct Comparison {
  double rule = 0.0;        ///< as the rule has it
  double difference = 0.0;  ///< as finite differences have it
  double scale = 0.0;       ///< the sizes of what was multiplied

  /// Their distance, relative to `scale`; 1 where either is NaN.
  double error() const;
  /// Adds <a, b> to `side`, one of the two above.
  void add(double& side, const Numbers& a, const Numbers& b);
  /// Finite differences of numbers as large as b cannot tell more: no error that small is a rule's.
  void add_noise(const Numbers& a, const Numbers& b);
};

/// A rule's answer to a random cotangent.
struct LocalRule {
  std::vector<Numbers> cotangents = {};  ///< empty for integers
  std::vector<Numbers> gradients = {};   ///< empty for inputs that are not needed
};
LocalRule ask_rule(const std::shared_ptr<Node>& node, int pass, const std::vector<Numbers>& outputs,
                   const std::vector<bool>& needed, Generator& random);

/// What the recorded graph of a rule says is the derivative of <its gradients, r>, r random.
struct RuleDerivative {
  std::vector<Numbers> weights = {};  ///< r; empty where there is no gradient
  std::vector<Numbers> by_inputs = {},
                       by_cotangents = {};  ///< empty where it is not a function of them
};
/// The rule of `node` is called again as it was in `call`, cut off from how its inputs and
/// cotangents came about: all of them are independent.
RuleDerivative differentiate_rule(const Node& node, const Replay::Call& call, Generator& random);

}  // namespace switchyard
