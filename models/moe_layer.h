#pragma once

#include "engine/ops/moe.h"
#include "models/token_gate.h"

namespace switchyard {

/// What a token MoE layer made of T tokens.
struct MoeOutput {
  Tensor y;  ///< [T, C]
  GateOutput gate;
  Routing routing;
  Tensor balance_loss;  ///< weighted sum of the gate's balance losses; undefined if none is on
};

/// A token MoE layer: y = Σ_j weight_j · expert_{index_j}(x) + shared(x) for each token x, an
/// expert being W_out activation(W_in x + b_in) + b_out. The shared experts are one dense layer of
/// as many hidden units as they have together. docs/design/moe_layer.md has the formulas.
///
/// Names gate.weight, experts.0.w_in, experts.0.b_in, experts.0.w_out, experts.0.b_out, ...,
/// shared.w_in, ... A file's w_in is [H', D], with H' = 2H for swiglu.
class MoeLayer : public nn::Module {
 public:
  /// Tokens of `width` numbers, results of `out`. UsageError as check_moe_config().
  MoeLayer(const MoeConfig& config, std::int64_t width, std::int64_t out, DType dtype,
           Generator& random);

  /// tokens [T, D], T >= 0. In training mode the gate draws noise and moves its balancing bias;
  /// otherwise a token's result depends on that token alone, where there is no capacity. Errors:
  /// another shape or dtype; a row of gate logits that holds NaN (naming it).
  MoeOutput forward(const Tensor& tokens, nn::Mode mode);

  const MoeConfig& config() const { return config_; }
  const TokenGate& gate() const { return gate_; }
  const ExpertParameters& experts() const { return experts_; }
  /// As one expert; undefined matrices where there are none.
  const ExpertParameters& shared_experts() const { return shared_; }

 private:
  Tensor shared(const Tensor& tokens) const;

  MoeConfig config_;
  std::int64_t width_;
  kernels::ExpertActivation activation_;
  TokenGate gate_;
  ExpertParameters experts_;
  ExpertParameters shared_;  // matrices [1, ...]; undefined without shared experts
};

}  // namespace switchyard
