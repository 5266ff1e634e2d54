#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/autograd/gradcheck.h"
#include "engine/autograd/rule.h"

namespace switchyard {

struct ExplainOptions {
  int order = 2;            ///< the highest derivative that is looked at, >= 1
  std::uint64_t seed = 1;   ///< of cotangents and directions
  double step = 1e-3;       ///< as in GradcheckOptions
  double tolerance = 1e-6;  ///< a rule whose error is above is wrong
};

/// A derivative rule that is wrong, and how that shows.
struct WrongRule {
  std::string operation = {};  ///< whose rule: "softplus"
  SourcePlace place = {};      ///< where the rule is written
  int order = 1;               ///< of the derivative that comes out wrong
  /// What the rule differentiates wrongly by: "input 1 [3, 4]", or, from order 2, "cotangent [3]".
  std::string operand = {};
  std::string made_by = {};  ///< the operation whose rule made this one; empty in the forward pass
  double rule = 0.0;         ///< a derivative along a random direction as the rule has it
  double difference = 0.0;   ///< the same as finite differences have it
  double error = 0.0;        ///< their distance, relative to the sizes of what is multiplied
};

/// Looks for the rule that makes a gradient of `f` wrong. Where gradcheck() compares the function
/// as a whole, this compares operation by operation: f is evaluated while all its inputs move a
/// little, the rates of every operation's inputs and outputs are taken from that, and each rule by
/// itself must map the one to the other. An operation needs no function that could be called again,
/// so a user's own, recorded in a program, is checked like any other. Orders are looked at one
/// after the other, and within one operations in the order of their birth: the first wrong rule is
/// returned, nothing where none is. Errors: inputs that are not float64 on cpu, an order below 1, a
/// function that records other operations nearby, whatever f and its derivatives throw.
std::optional<WrongRule> explain(const TensorFunction& f, std::vector<Tensor> inputs,
                                 const ExplainOptions& options = {});

/// "the rule of softplus (my_op.cpp:12) is wrong ...", one line.
std::string text_of(const WrongRule& wrong);

}  // namespace switchyard
