#pragma once

#include "engine/nn/module.h"
#include "engine/ops/gate.h"
#include "engine/ops/routing.h"
#include "models/gate_output.h"
#include "models/moe_config.h"

namespace switchyard {

/// Tokens' ways to the experts, and what they cost.
struct RoutedTokens {
  GateOutput gate;      ///< its weights, [T, k], are those of `routing`
  Routing routing;      ///< expert_choice: k = E, of which most are dropped
  Tensor balance_loss;  ///< weighted sum, a scalar; undefined if none is on
};

/// The gate of a token MoE layer: logits = W x, from which MoeConfig::gate chooses. Names weight
/// and, of sigmoid gates, the buffer balancing_bias.
class TokenGate : public nn::Module {
 public:
  TokenGate(const MoeConfig& config, std::int64_t width, DType dtype, Generator& random);

  /// tokens [T, D]. In training mode draws the noise, and moves the balancing bias, which takes
  /// effect with the next batch. Errors: a row of logits that holds NaN or nothing above -inf
  /// (naming it).
  RoutedTokens forward(const Tensor& tokens, nn::Mode mode);

  const Tensor& weight() const { return weight_; }
  /// [E]; undefined where the gate has none.
  const Tensor& balancing_bias() const { return balancing_bias_; }

 private:
  GateDraw draw(const Tensor& raw, nn::Mode mode) const;
  RoutedChoice choose(const Tensor& raw, const GateDraw& draw) const;
  Choice choose_by_sigmoid(const Tensor& raw, const GateDraw& draw) const;
  Choice choose_in_groups(const Tensor& raw, const GateDraw& draw) const;
  Tensor within_groups(const Tensor& selection, std::int64_t counted) const;
  Tensor full_probabilities(const Tensor& raw, const GateDraw& draw) const;
  RoutedTokens expert_choice(const Tensor& raw, const GateDraw& draw) const;
  Tensor balance_loss(const Tensor& raw, const GateDraw& draw, const GateOutput& gate) const;
  void move_bias(const Tensor& indices);

  MoeConfig config_;
  Tensor weight_;          // [E, D]
  Tensor balancing_bias_;  // [E], of sigmoid gates
};

}  // namespace switchyard
