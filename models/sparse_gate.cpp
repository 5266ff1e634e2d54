#include "models/sparse_gate.h"

#include <cmath>

#include "engine/core/random.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduction.h"

namespace switchyard {
namespace {

constexpr double kNoiseFloor = 0.3;
constexpr double kStandardiseEpsilon = 1e-5;
// Inside the square root: keeps the derivatives of the deviation finite (zero) for a row of equal
// logits, and is far below the rounding of any deviation that kStandardiseEpsilon does not drown.
constexpr double kVarianceFloor = 1e-24;

}  // namespace

SparseGate::SparseGate(const HeadConfig& config, std::int64_t features, DType dtype,
                       Generator& random)
    : input_dropout_(config.gate_input_dropout),
      logits_dropout_(config.gate_logits_dropout),
      temperature_(config.temperature),
      w_gate_(features, config.experts, dtype, random),
      w_noise_(features, config.experts, dtype, random) {
  register_child("w_gate", w_gate_);
  register_child("w_noise", w_noise_);
}

GateLogits SparseGate::forward(const Tensor& features, nn::Mode mode) const {
  const Tensor input = nn::dropout(features, input_dropout_, mode);
  GateLogits logits;
  logits.raw = w_gate_.forward(input, ProductDType::kSums);
  logits.clean = standardise_rows(logits.raw);
  logits.draw.temperature = temperature_;
  if (!mode.training) return logits;
  const std::int64_t count = logits.clean.numel();
  Generator& random = nn::random_of(mode, "gate noise");
  logits.draw.deviation = softplus(w_noise_.forward(input, ProductDType::kSums)) + kNoiseFloor;
  logits.draw.noise = random.next(count);
  logits.draw.dropout = logits_dropout_;
  if (logits_dropout_ > 0.0) logits.draw.mask = random.next(count);
  return logits;
}

Tensor GateLogits::noisy() const {
  return gate_values(clean, {.deviation = draw.deviation, .noise = draw.noise});
}

Tensor standardise_rows(const Tensor& x) {
  const auto n = static_cast<double>(x.size(1));
  // The first mean, a constant, leaves a row near zero, and a row of equal logits equal with a few
  // digits each: the second mean of such a row is exact, and the row becomes zeros.
  const Tensor near_zero = x - sum(x.detach(), {1}, true) / n;
  const Tensor centred = near_zero - sum(near_zero, {1}, true) / n;
  if (x.size(1) == 1) return centred;  // one value has no unbiased deviation
  const Tensor variance = sum(square(centred), {1}, true) / (n - 1.0);
  return centred / (sqrt(variance + kVarianceFloor) + kStandardiseEpsilon);
}

GateOrder gate_order(const std::string& name) {
  if (name == "topk_softmax") return GateOrder::kTopKSoftmax;
  if (name == "softmax_topk") return GateOrder::kSoftmaxTopK;
  check<UsageError>(name == "softmax_topk_renormalized", "[gate_order] unknown order \"{}\"", name);
  return GateOrder::kSoftmaxTopKRenormalized;
}

Choice choose_experts(const Tensor& logits, std::int64_t k, const std::string& order,
                      const GateDraw& draw) {
  return gate(logits, k, gate_order(order), draw);
}

}  // namespace switchyard
