#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "analysis/graph/trace.h"
#include "engine/core/tensor.h"

namespace switchyard::graph {

/// A tensor and what it is called.
struct NamedValue {
  std::string name = {};
  Tensor value = {};
};

/// Something to differentiate: a scalar as a function of named tensors.
struct Problem {
  std::string title = {};                  ///< "x³"
  std::string about = {};                  ///< a sentence on what to look at
  std::vector<NamedValue> inputs = {};     ///< gradients are taken for these
  std::vector<NamedValue> constants = {};  ///< what else `loss` reads, for its labels
  std::function<Tensor(std::span<const Tensor> inputs)> loss =
      {};                              ///< a scalar of the inputs' dtype
  std::vector<Tensor> direction = {};  ///< v of Hessian-vector products, one per input
  /// Says in words which piece of a piecewise function the inputs are in, such as the experts of
  /// each token; empty where the function is one piece.
  std::function<std::string(std::span<const Tensor> inputs)> piece = {};
};

/// "0,2 1,3 0,1": the experts of the first eight tokens, ascending, from indices [T, k]. For
/// Problem::piece: the loss is smooth while they stay.
std::string chosen_experts(const Tensor& indices);

/// The inputs' values as new leaves.
std::vector<Tensor> leaves_of(const Problem& problem);

/// A graph and what came out of it.
struct TracedProblem {
  Trace trace;
  double loss = 0.0;
  std::vector<Tensor> gradient = {};  ///< from order 1, one per input, without history
  std::vector<Tensor> product = {};   ///< H v, from order 2
};

/// Evaluates the problem while a Recorder looks on: order 0 the loss, 1 its gradient as well, 2 the
/// Hessian's product with the direction as well. Every pass is recorded, the last one too: its
/// rules are those of a gradient that will be differentiated. Errors: an order outside 0 to 2;
/// a problem of order 2 without a direction; whatever the problem throws.
TracedProblem trace(const Problem& problem, int order, const SnapshotSizes& sizes = {});

/// What the loss does when the inputs move by t·v. Nothing is recorded.
struct Slope {
  std::vector<double> t = {};
  std::vector<double> loss = {};         ///< at x + t v
  std::vector<double> slope = {};        ///< <gradient at x + t v, v>
  std::vector<std::string> pieces = {};  ///< Problem::piece there; empty without one
  double curvature = 0.0;                ///< <v, H v> at t = 0
  std::vector<double> steps = {};        ///< h of central differences of the gradient
  std::vector<double> errors = {};       ///< ‖(g(x + h v) - g(x - h v)) / 2h - H v‖ / ‖H v‖
};

/// Says where a walk stops and looks: (2 half + 1) + 2 · 12 · steps_per_decade + 2 gradients.
struct WalkPlan {
  double reach = 2.0;  ///< t goes from -reach to reach, h from reach / 2 · 1e-12 to reach / 2
  int half = 60;       ///< points on either side of t = 0
  int steps_per_decade = 4;  ///< of h
};

/// What an example's walk takes: its numbers and directions are of unit scale.
inline constexpr WalkPlan kFineWalk = {};
/// Takes 91 gradients, as far as an example's walk: reach = 2 / ‖v‖, since a direction of a model's
/// parameters may be of any length.
WalkPlan coarse_walk(const Problem& problem);

/// `product` is H v.
Slope walk_along(const Problem& problem, std::span<const Tensor> product,
                 const WalkPlan& plan = kFineWalk);

}  // namespace switchyard::graph
