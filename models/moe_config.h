#pragma once

#include <cstdint>
#include <string>

#include "engine/core/suggest.h"
#include "kernels/api/moe.h"
#include "models/field_rules.h"
#include "models/limits.h"

namespace switchyard {

/// A token MoE layer. Fields that a gate does not have are errors in JSON and unused here.
struct MoeConfig {
  /// How experts are chosen and weighed; docs/design/moe_layer.md has the formulas.
  /// "topk_softmax": the k greatest logits, softmax over them. "softmax_topk": softmax over all, of
  /// which k are kept as they are; "softmax_topk_renormalized": divided by their sum. "sigmoid" and
  /// "sigmoid_renormalized": each expert's score is the sigmoid of its logit; what is chosen by is
  /// the score plus a balancing bias (DeepSeek-V3, arXiv 2412.19437, eq. 12-16). "expert_choice":
  /// each expert takes its best tokens (Zhou et al., 2022).
  std::string gate = "topk_softmax";
  std::int64_t experts = 8;
  std::int64_t expert_width = 64;   ///< hidden units per expert
  std::int64_t top_k = 2;           ///< experts per token; expert_choice: on average
  std::string activation = "gelu";  ///< "relu", "gelu" or "swiglu"
  bool bias = true;                 ///< of the experts' linear layers; the gate has none
  std::int64_t shared_experts = 0;  ///< beside the routed ones, for every token
  double temperature = 1.0;         ///< the logits are divided by it
  double noise = 0.0;               ///< deviation of the normal noise on the logits, in training
  /// Assignments per expert and batch, by position; 0 is dropless. expert_choice: the tokens that
  /// an expert takes, 0 for T·k / E, rounded up.
  std::int64_t capacity = 0;
  /// Not for expert_choice. The experts come in `groups` groups of equal size, and a token's
  /// experts from its best `chosen_groups` alone.
  std::int64_t groups = 1;
  std::int64_t chosen_groups = 1;
  double importance = 0.0;      ///< not expert_choice: coefficient of CV² of summed gate weights
  double load = 0.0;            ///< softmax gates with noise, one group: CV² of the smooth load
  double switch_balance = 0.0;  ///< not expert_choice: coefficient of E·Σ f·P
  double router_z = 0.0;        ///< coefficient of mean (logsumexp)²
  double balancing_rate = 0.0;  ///< sigmoid gates: what a training batch adds to the bias

  bool is_sigmoid() const { return gate.starts_with("sigmoid"); }
  bool is_expert_choice() const { return gate == "expert_choice"; }
};

kernels::ExpertActivation activation_of(const MoeConfig& config);

/// UsageError naming the field ("[moe_layer] top_k: must be ...") for what JSON would refuse too.
void check_moe_config(const MoeConfig& config);

/// Calls visit(field, value, rule) for every field that a layer of this gate has, where rule(value)
/// says what is wrong with it ("" if nothing), the gate first. The one list of fields.
template <class Config, class Visit>
void for_each_moe_field(Config& moe, Visit&& visit) {
  using Text = std::string;
  const auto anything = [](bool) { return Text(); };
  const auto choices = [&](std::int64_t k) { return choices_problem(k, moe.experts); };
  const auto dividing = [&](std::int64_t groups) {
    if (groups >= 1 && moe.experts % groups == 0) return Text();
    return fmt::format("must divide the {} experts, got {}", moe.experts, groups);
  };
  const auto enough = [&](std::int64_t chosen) {
    if (chosen < 1 || chosen > moe.groups) {
      return fmt::format("must be between 1 and the {} groups, got {}", moe.groups, chosen);
    }
    const std::int64_t experts = chosen * (moe.experts / moe.groups);
    if (experts >= moe.top_k) return Text();
    return fmt::format("{} groups hold {} experts, top_k is {}", chosen, experts, moe.top_k);
  };
  const auto smooth = [&](double v) {
    const Text problem = coefficient_problem(v);
    if (!problem.empty() || v == 0.0 || (moe.noise > 0.0 && moe.groups == 1)) return problem;
    return Text("needs noise and a single group: it is the load that new noise would make");
  };

  visit("gate", moe.gate, [](const Text& v) {
    return choice_problem(v, {"topk_softmax", "softmax_topk", "softmax_topk_renormalized",
                              "sigmoid", "sigmoid_renormalized", "expert_choice"});
  });
  visit("experts", moe.experts, size_up_to(kMaxExperts));
  visit("expert_width", moe.expert_width, size_up_to(kMaxWidth));
  visit("top_k", moe.top_k, choices);
  visit("activation", moe.activation, [](const Text& v) {
    return choice_problem(v, {"relu", "gelu", "swiglu"});
  });
  visit("bias", moe.bias, anything);
  visit("shared_experts", moe.shared_experts, count_up_to(kMaxExperts));
  visit("temperature", moe.temperature, positive_problem);
  visit("noise", moe.noise, coefficient_problem);
  visit("capacity", moe.capacity, count_up_to(kMaxCapacity));
  visit("router_z", moe.router_z, coefficient_problem);
  if (moe.is_expert_choice()) return;
  visit("groups", moe.groups, dividing);
  visit("chosen_groups", moe.chosen_groups, enough);
  visit("importance", moe.importance, coefficient_problem);
  visit("switch_balance", moe.switch_balance, coefficient_problem);
  if (moe.is_sigmoid()) {
    visit("balancing_rate", moe.balancing_rate, coefficient_problem);
  } else {
    visit("load", moe.load, smooth);
  }
}

}  // namespace switchyard
