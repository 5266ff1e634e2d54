#pragma once

#include "engine/nn/layers.h"
#include "engine/ops/gate.h"
#include "models/model_config.h"

namespace switchyard {

/// Holds what a noisy gate chooses experts by: gate(clean, k, order, draw) draws the noise, drops
/// logits and divides by the temperature on its way.
struct GateLogits {
  Tensor raw;     ///< [N, E], the linear layer's
  Tensor clean;   ///< [N, E], raw, standardised per sample
  GateDraw draw;  ///< its deviation is undefined in evaluation mode

  /// [N, E], clean plus the noise that the gate draws; clean itself in evaluation mode.
  Tensor noisy() const;
};

/// Noisy gate of the sparse and hard heads (Shazeer et al., 2017, eq. 3-5, with the published
/// study's changes: logits standardised first, noise of at least 0.3). Names w_gate.*, w_noise.*.
class SparseGate : public nn::Module {
 public:
  SparseGate(const HeadConfig& config, std::int64_t features, DType dtype, Generator& random);

  /// features [N, D].
  GateLogits forward(const Tensor& features, nn::Mode mode) const;

 private:
  double input_dropout_;
  double logits_dropout_;
  double temperature_;
  nn::Linear w_gate_;
  nn::Linear w_noise_;
};

/// (x - mean) / (deviation + 1e-5) over each row of x [N, E], with the unbiased deviation. A row of
/// equal values, or of one, becomes zeros.
Tensor standardise_rows(const Tensor& x);

/// The order that a configuration names: "topk_softmax" (softmax over the kept), "softmax_topk"
/// (softmax over all, the kept entries as they are) or "softmax_topk_renormalized".
GateOrder gate_order(const std::string& name);

/// gate() in the order of that name.
Choice choose_experts(const Tensor& logits, std::int64_t k, const std::string& order,
                      const GateDraw& draw = {});

}  // namespace switchyard
