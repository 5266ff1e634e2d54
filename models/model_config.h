#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "models/limits.h"
#include "models/moe_config.h"

namespace switchyard {

class JsonObject;

struct BackboneConfig {
  /// "resnet18" (CIFAR stem, 512 features), "small" (128), or "small_moe": small with a token MoE
  /// layer over the patches of its last feature map
  std::string name = "resnet18";
  std::int64_t in_channels = 3;
  /// "pytorch": every convolution from its layer's default. "torchvision": as the published models,
  /// torchvision's ResNet-18 (normal, fan-out) with a first convolution from the default.
  std::string initialisation = "pytorch";
  /// small_moe: the layer. With these sizes a patch costs about what the convolution in its place
  /// does: 2 experts of 2 · 128 · 256 multiply-adds against 9 · 128 · 128.
  MoeConfig moe = {.expert_width = 256, .switch_balance = 0.01};

  bool has_moe() const { return name == "small_moe"; }
};

/// One of the four heads. Fields that a head does not have are errors in its JSON and unused here.
struct HeadConfig {
  std::string name = "dense";  ///< dense, soft_moe, sparse_moe, hard_moe
  std::int64_t classes = 10;
  std::int64_t width = 512;        ///< dense: hidden units
  std::int64_t experts = 8;        ///< MoE heads
  std::int64_t expert_width = 64;  ///< MoE heads: hidden units per expert
  std::int64_t top_k = 2;          ///< sparse_moe; hard_moe has 1, which its JSON may say
  double temperature = 1.0;        ///< MoE heads: softmax(logits / T)
  double dropout = 0.1;            ///< after the hidden ReLU
  double gate_input_dropout = 0.1;
  double gate_logits_dropout = 0.1;
  double balance = 0.0;     ///< soft_moe: coefficient of the published KL form
  double importance = 0.2;  ///< sparse, hard: coefficient of CV² of the summed gate weights
  double load = 0.2;        ///< sparse, hard: coefficient of CV² of the load
  /// sparse, hard: what the load is: "probability" (summed gate weights, as published) or "smooth"
  /// (Shazeer et al., 2017, eq. 8-10)
  std::string load_estimator = "probability";
  double switch_balance = 0.0;  ///< sparse, hard: coefficient of E·Σ f·P (Switch, eq. 4)
  double router_z = 0.0;        ///< MoE heads: coefficient of mean (logsumexp)² (ST-MoE, eq. 5)
  /// sparse, hard: or "softmax_topk", "softmax_topk_renormalized"
  std::string router_order = "topk_softmax";
  std::int64_t capacity = 0;  ///< sparse, hard: assignments per expert and batch; 0 is dropless
};

struct ModelConfig {
  BackboneConfig backbone;
  HeadConfig head;
};

/// Reads the `model` object of a configuration. Every field but `head.name` may be left out.
/// UsageError naming the field ("config.json: model.head.top_k: ..."): one that this head does not
/// have, a wrong type, an unknown name, sizes < 1 or above the limits, k > experts, temperature <=
/// 0, dropout outside [0, 1), a negative coefficient or capacity, a head with a gate behind a
/// backbone with one.
ModelConfig parse_model_config(JsonObject model);
/// Parses the `model` object alone; messages begin with `where`, a file name or an option.
ModelConfig parse_model_config(const nlohmann::json& model, const std::string& where);
/// Every field that the model has: parse_model_config() of it gives `config` again.
nlohmann::json to_json(const ModelConfig& config);

/// UsageError as parse_model_config(), for a configuration that was filled in by a program.
void check_model_config(const ModelConfig& config);

}  // namespace switchyard
