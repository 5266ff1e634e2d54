#include "models/token_gate.h"

#include <algorithm>
#include <limits>

#include "engine/autograd/node.h"
#include "engine/core/bfloat16.h"
#include "engine/nn/init.h"
#include "engine/nn/layers.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/matmul.h"
#include "engine/ops/reduction.h"
#include "engine/ops/shape.h"
#include "engine/ops/softmax.h"
#include "models/balance.h"
#include "models/sparse_gate.h"

namespace switchyard {
namespace {

/// ln σ(x). Scores that are divided by their sum are the softmax of these, which does not underflow
/// where all scores are small.
Tensor log_sigmoid(const Tensor& x) { return -softplus(-x); }

/// Error naming a row that holds NaN or nothing above -inf; for gates whose own choice would not
/// see it, or would name another row.
void check_rankable(const Tensor& logits) { top_k(logits.detach(), 1); }

}  // namespace

TokenGate::TokenGate(const MoeConfig& config, std::int64_t width, DType dtype, Generator& random)
    : config_(config), weight_(nn::default_init({config.experts, width}, width, dtype, random)) {
  register_parameter("weight", weight_);
  if (!config.is_sigmoid()) return;
  balancing_bias_ = Tensor::zeros({config.experts}, sum_dtype(dtype));
  register_buffer("balancing_bias", balancing_bias_);
}

RoutedTokens TokenGate::forward(const Tensor& tokens, nn::Mode mode) {
  const Tensor raw =
      linear(tokens, weight_, {}, ProductDType::kSums, RowBits::kBatchInvariant);  // [T, E]
  const GateDraw drawn = draw(raw, mode);
  if (config_.is_expert_choice()) return expert_choice(raw, drawn);
  auto [choice, routing] = choose(raw, drawn);
  RoutedTokens routed;
  routed.routing = std::move(routing);
  routed.gate = {.logits = choice.values,
                 .probabilities = scatter_add(choice.weights, choice.indices, config_.experts,
                                              Indices::kTrusted),
                 .indices = choice.indices,
                 .weights = choice.weights,
                 .dropped = routed.routing.dropped};
  routed.balance_loss = balance_loss(raw, drawn, routed.gate);
  if (mode.training && config_.is_sigmoid()) move_bias(choice.indices);
  return routed;
}

GateDraw TokenGate::draw(const Tensor& raw, nn::Mode mode) const {
  GateDraw drawn;
  drawn.temperature = config_.temperature;
  if (!mode.training || config_.noise == 0.0) return drawn;
  drawn.deviation = Tensor::full(raw.shape(), config_.noise, raw.dtype(), raw.device());
  drawn.noise = nn::random_of(mode, "gate noise").next(raw.numel());
  return drawn;
}

RoutedChoice TokenGate::choose(const Tensor& raw, const GateDraw& drawn) const {
  if (!config_.is_sigmoid() && config_.groups == 1) {
    return route(raw, config_.top_k, gate_order(config_.gate), drawn, config_.capacity);
  }
  RoutedChoice routed;
  routed.choice =
      config_.is_sigmoid() ? choose_by_sigmoid(raw, drawn) : choose_in_groups(raw, drawn);
  routed.routing =
      make_routing(routed.choice.indices, config_.experts, config_.capacity, Indices::kTrusted);
  return routed;
}

/// The bias selects, the score weighs (DeepSeek-V3, eq. 13, 14 and 16).
Choice TokenGate::choose_by_sigmoid(const Tensor& raw, const GateDraw& drawn) const {
  const Tensor logits = gate_values(raw, drawn);
  check_rankable(logits);
  const Tensor scores = sigmoid(logits);
  // A group is as good as its two best experts (DeepSeek-V3, section 2.1.2).
  const Tensor selection = within_groups(scores.detach() + balancing_bias_, 2);
  const Tensor indices = top_k(selection, config_.top_k);
  const Tensor weights = config_.gate == "sigmoid"
                             ? gather(scores, indices, Indices::kTrusted)
                             : softmax(gather(log_sigmoid(logits), indices, Indices::kTrusted));
  return {.indices = indices, .weights = weights, .values = selection};
}

/// Softmax gates whose experts come from the best groups; a group is as good as its best expert
/// (DeepSeek-V2, arXiv 2405.04434, section 2.2.2).
Choice TokenGate::choose_in_groups(const Tensor& raw, const GateDraw& drawn) const {
  const Tensor logits = gate_values(raw, drawn);
  check_rankable(logits);
  const Tensor selection = within_groups(logits.detach(), 1);
  const Tensor indices = top_k(selection, config_.top_k);
  const Tensor weights = config_.gate == "softmax_topk"
                             ? gather(softmax(logits), indices, Indices::kTrusted)
                             : softmax(gather(logits, indices, Indices::kTrusted));
  return {.indices = indices, .weights = weights, .values = selection};
}

/// `selection` [T, E] with -inf outside each token's best groups, a group's worth being the sum of
/// its `counted` best.
Tensor TokenGate::within_groups(const Tensor& selection, std::int64_t counted) const {
  const NoGrad no_grad;
  const std::int64_t groups = config_.groups;
  if (groups == 1) return selection;
  const std::int64_t tokens = selection.size(0);
  const std::int64_t size = config_.experts / groups;
  // A group of -inf alone is legal, and worth less than any other.
  const Tensor members = reshape(clamp(selection, -1e30, std::numeric_limits<double>::infinity()),
                                 {tokens * groups, size});
  const Tensor best = top_k(members, std::min(counted, size));
  const Tensor worth =
      reshape(sum(gather(members, best, Indices::kTrusted), {1}), {tokens, groups});
  const Tensor chosen = top_k(worth, config_.chosen_groups);
  const Tensor ones = Tensor::full(chosen.shape(), 1.0, selection.dtype(), selection.device());
  const Tensor inside = scatter_add(ones, chosen, groups, Indices::kTrusted);  // 0 or 1
  const Tensor mask = log(reshape(inside, {tokens, groups, 1}));               // -inf or 0
  return selection + reshape(broadcast_to(mask, {tokens, groups, size}), selection.shape());
}

/// Every expert's share of a token, for the losses that look beyond the chosen ones; [T, E].
Tensor TokenGate::full_probabilities(const Tensor& raw, const GateDraw& drawn) const {
  const Tensor logits = gate_values(raw, drawn);
  return softmax(config_.is_sigmoid() ? log_sigmoid(logits) : logits);
}

/// Scores are the softmax over the experts; each expert takes the tokens that score best with it
/// (Zhou et al., 2022, eq. 1).
RoutedTokens TokenGate::expert_choice(const Tensor& raw, const GateDraw& drawn) const {
  const Tensor logits = gate_values(raw, drawn);
  check_rankable(logits);
  const Tensor scores = softmax(logits);
  const std::int64_t tokens = raw.size(0);
  const std::int64_t share = (tokens * config_.top_k + config_.experts - 1) / config_.experts;
  const std::int64_t wanted = config_.capacity > 0 ? config_.capacity : share;
  RoutedTokens routed;
  routed.routing = choose_tokens(scores, std::min(wanted, tokens));
  routed.gate = {.logits = logits,
                 .probabilities = scores,
                 .indices = routed.routing.indices,
                 .weights = scores,
                 .dropped = 0};
  BalanceSum balance;
  balance.add(config_.router_z, [&] { return router_z(raw); });
  routed.balance_loss = balance.total();
  return routed;
}

Tensor TokenGate::balance_loss(const Tensor& raw, const GateDraw& drawn,
                               const GateOutput& gate) const {
  BalanceSum balance;
  if (raw.size(0) == 0) return balance.total();  // no tokens, no means
  balance.add(config_.importance, [&] { return importance_cv2(gate.probabilities); });
  balance.add(config_.switch_balance,
              [&] { return switch_balance(full_probabilities(raw, drawn), gate.indices); });
  balance.add(config_.load, [&] {
    if (!drawn.deviation) {
      return load_cv2(assignment_counts(gate.indices, config_.experts, raw.dtype()));
    }
    const Tensor noisy = gate_values(raw, {.deviation = drawn.deviation, .noise = drawn.noise});
    return load_cv2(smooth_load(raw, noisy, drawn.deviation, config_.top_k));
  });
  balance.add(config_.router_z, [&] { return router_z(raw); });
  return balance.total();
}

/// b_e += rate · sign(mean load - load_e) (Wang et al., 2024, arXiv 2408.15664, algorithm 1).
void TokenGate::move_bias(const Tensor& indices) {
  if (config_.balancing_rate == 0.0) return;
  const NoGrad no_grad;
  const Tensor load = assignment_counts(indices, config_.experts, balancing_bias_.dtype());
  const auto all = static_cast<double>(indices.numel());
  const auto experts = static_cast<double>(config_.experts);
  // E times the difference is an integer, whose sign is what is left of it between -1 and 1.
  const Tensor sign = clamp(affine(load, -experts, all), -1.0, 1.0);
  balancing_bias_.copy_from(balancing_bias_ + config_.balancing_rate * sign);
}

}  // namespace switchyard
