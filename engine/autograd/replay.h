#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/autograd/node.h"

namespace switchyard {

using Numbers = std::vector<double>;

/// The output of a node of a replay, as an operand of a later one. Nodes are numbered in the order
/// of their birth; the leaves that the caller made come before them, as -1, -2, ...
struct Operand {
  int birth = 0;
  int output = 0;
  bool operator==(const Operand&) const = default;
};

/// What one evaluation of a function recorded, with all its numbers.
struct Replay {
  struct Birth {
    std::shared_ptr<Node> node = {};
    std::vector<Numbers> outputs = {};
  };
  struct Call {
    int birth = 0;  ///< whose rule
    int pass = 0;
    std::vector<Tensor> arrived = {}, left = {};           ///< undefined where nothing did
    std::vector<Numbers> cotangents = {}, gradients = {};  ///< their numbers at that time
  };

  std::vector<Numbers> leaves = {};
  std::vector<Birth> births = {};
  std::vector<Call> calls = {};
  std::unordered_map<std::uint64_t, int> number_of = {};  ///< by Node::id

  /// The numbers of an operand.
  const Numbers& numbers(Operand operand) const;
};

/// Moves one operand while a function is evaluated: by `distance` along `direction`, in the moment
/// when it is there and nothing has read it.
struct Push {
  Operand operand = {};
  Numbers direction = {};
  double distance = 0.0;
};

/// Evaluates `f` at `leaves` and records it. Pushes of births happen in place; those of leaves are
/// the caller's to make. What is recorded stays alive in the result.
Replay replay(const std::function<void(std::span<const Tensor>)>& f, std::span<const Tensor> leaves,
              std::span<const Push> pushes);

/// The derivatives of all numbers of a replay by the distance of a move: five-point differences of
/// `at`(distance). Error where two evaluations do not record the same operations.
struct Rates {
  std::vector<Numbers> leaves = {};
  std::vector<std::vector<Numbers>> births = {};
  std::vector<std::vector<Numbers>> cotangents = {}, gradients = {};  ///< by call

  const Numbers& of(Operand operand) const;
};
Rates rates_of(const std::function<Replay(double distance)>& at, double step);

}  // namespace switchyard
