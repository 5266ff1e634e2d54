#include "models/sparse_moe_head.h"

#include "engine/ops/precision.h"
#include "engine/ops/reduction.h"
#include "engine/ops/softmax.h"
#include "models/balance.h"

namespace switchyard {

SparseMoeHead::SparseMoeHead(const HeadConfig& config, std::int64_t features, DType dtype,
                             Generator& random)
    : config_(config),
      k_(config.name == "hard_moe" ? 1 : config.top_k),
      gate_(config, features, dtype, random),
      experts_(config, features, dtype, random) {
  register_child("gate", gate_);
  register_child("experts", experts_);
}

ClassifierOutput SparseMoeHead::forward(const Tensor& features, nn::Mode mode) {
  const GateLogits logits = gate_.forward(features, mode);
  const auto [choice, routing] =
      route(logits.clean, k_, gate_order(config_.router_order), logits.draw, config_.capacity);

  ClassifierOutput output;
  output.gate = {.logits = choice.values,
                 .probabilities = scatter_add(choice.weights, choice.indices, config_.experts,
                                              Indices::kTrusted),
                 .indices = choice.indices,
                 .weights = choice.weights,
                 .dropped = routing.dropped};
  output.logits = widened(experts_.route(features, choice.weights, routing, mode));
  output.balance_loss = balance_loss(logits, output.gate);
  return output;
}

Tensor SparseMoeHead::balance_loss(const GateLogits& logits, const GateOutput& gate) const {
  BalanceSum balance;
  balance.add(config_.importance, [&] { return importance_cv2(gate.probabilities); });
  balance.add(config_.load, [&] { return load_cv2(load(logits, gate)); });
  balance.add(config_.switch_balance,
              [&] { return switch_balance(softmax(gate.logits), gate.indices); });
  balance.add(config_.router_z, [&] { return router_z(logits.raw); });
  return balance.total();
}

Tensor SparseMoeHead::load(const GateLogits& logits, const GateOutput& gate) const {
  if (config_.load_estimator == "probability") return sum(gate.probabilities, {0});
  // Without noise the probability of being chosen is 0 or 1: the load is a constant count.
  if (!logits.draw.deviation) {
    return assignment_counts(gate.indices, config_.experts, gate.weights.dtype());
  }
  return smooth_load(logits.clean, logits.noisy(), logits.draw.deviation, k_);
}

}  // namespace switchyard
