#include "models/soft_moe_head.h"

#include "engine/ops/elementwise.h"
#include "engine/ops/softmax.h"
#include "models/balance.h"

namespace switchyard {

SoftMoeHead::SoftMoeHead(const HeadConfig& config, std::int64_t features, DType dtype,
                         Generator& random)
    : config_(config),
      gate_(features, config.experts, dtype, random),
      experts_(config, features, dtype, random) {
  register_child("gate", gate_);
  register_child("experts", experts_);
}

ClassifierOutput SoftMoeHead::forward(const Tensor& features, nn::Mode mode) {
  const Tensor raw = gate_.forward(nn::dropout(features, config_.gate_input_dropout, mode),
                                   ProductDType::kSums);  // [N, E]
  ClassifierOutput output;
  output.gate.logits = nn::dropout(raw, config_.gate_logits_dropout, mode) / config_.temperature;
  output.gate.probabilities = softmax(output.gate.logits);
  output.logits = experts_.mix(features, output.gate.probabilities, mode);

  BalanceSum balance;
  balance.add(config_.balance, [&] { return uniform_kl(output.gate.probabilities); });
  balance.add(config_.router_z, [&] { return router_z(raw); });
  output.balance_loss = balance.total();
  return output;
}

}  // namespace switchyard
