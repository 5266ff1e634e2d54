#pragma once

#include "engine/core/random.h"
#include "engine/core/tensor.h"
#include "engine/ops/routing.h"
#include "kernels/api/gate.h"

namespace switchyard {

using kernels::GateOrder;

/// Says what happens to a gate's logits before experts are chosen by them: v = dropout(logits +
/// deviation · normal) / temperature.
struct GateDraw {
  Tensor deviation;           ///< [T, E], or undefined: no noise
  RandomPosition noise = {};  ///< of the normal numbers, as random_normal() draws them
  double dropout = 0.0;       ///< 0 <= dropout < 1
  RandomPosition mask = {};   ///< of dropout(), as the operation of that name draws it
  double temperature = 1.0;   ///< > 0

  bool leaves_all() const { return !deviation.defined() && dropout == 0.0 && temperature == 1.0; }
};

/// The experts chosen for each token, and their weights.
struct Choice {
  Tensor indices;  ///< [T, k] int64, descending
  Tensor weights;  ///< [T, k]
  Tensor values;   ///< [T, E]: v, what they were chosen by
};

/// Chooses k experts per row of v, which comes of `logits` [T, E], and weighs them, in one kernel:
/// noise, dropout, temperature, top_k, gather and softmax in the order asked for. Ties go to the
/// lower index. Weights and values are differentiable by the logits and the deviation, the choice
/// held fixed. Errors: k < 1, k > E, a deviation of another shape, a row that holds NaN or +inf or
/// nothing above -inf (naming it).
Choice gate(const Tensor& logits, std::int64_t k, GateOrder order, const GateDraw& draw = {});

/// A gate's choice and where it sends the tokens.
struct RoutedChoice {
  Choice choice;
  Routing routing;  ///< of the choice's indices
};

/// From logits to slots: gate() and make_routing() of its indices, in one kernel where `capacity`
/// is 0. Errors as theirs.
RoutedChoice route(const Tensor& logits, std::int64_t k, GateOrder order, const GateDraw& draw = {},
                   std::int64_t capacity = 0);

/// v out of simple operations: what gate() chooses by.
Tensor gate_values(const Tensor& logits, const GateDraw& draw);

}  // namespace switchyard
