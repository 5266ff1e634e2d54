#include "models/model_config.h"

#include <string_view>

#include "engine/core/suggest.h"
#include "engine/io/json.h"

namespace switchyard {
namespace {

/// Calls visit(field, value, rule) for every field of this kind of head but its name, where
/// rule(value) says what is wrong with it ("" if nothing). The one list of which head has what.
template <class Config, class Visit>
void for_each_head_field(Config& head, Visit&& visit) {
  using Text = std::string;
  const auto choices = [&](std::int64_t k) { return choices_problem(k, head.experts); };
  const auto estimator = [](const Text& v) { return choice_problem(v, {"probability", "smooth"}); };
  const auto order = [](const Text& v) {
    return choice_problem(v, {"topk_softmax", "softmax_topk", "softmax_topk_renormalized"});
  };

  const bool sparse = head.name == "sparse_moe" || head.name == "hard_moe";
  visit("classes", head.classes, size_up_to(kMaxClasses));
  visit("dropout", head.dropout, probability_problem);
  if (head.name == "dense") {
    visit("width", head.width, size_up_to(kMaxWidth));
    return;
  }
  visit("experts", head.experts, size_up_to(kMaxExperts));
  visit("expert_width", head.expert_width, size_up_to(kMaxWidth));
  if (head.name == "sparse_moe") visit("top_k", head.top_k, choices);
  visit("temperature", head.temperature, positive_problem);
  visit("gate_input_dropout", head.gate_input_dropout, probability_problem);
  visit("gate_logits_dropout", head.gate_logits_dropout, probability_problem);
  visit("router_z", head.router_z, coefficient_problem);
  if (!sparse) {
    visit("balance", head.balance, coefficient_problem);
    return;
  }
  visit("importance", head.importance, coefficient_problem);
  visit("load", head.load, coefficient_problem);
  visit("load_estimator", head.load_estimator, estimator);
  visit("switch_balance", head.switch_balance, coefficient_problem);
  visit("router_order", head.router_order, order);
  visit("capacity", head.capacity, count_up_to(kMaxCapacity));
}

template <class Config, class Visit>
void for_each_backbone_field(Config& backbone, Visit&& visit) {
  using Text = std::string;
  visit("name", backbone.name, [](const Text& v) {
    return choice_problem(v, {"resnet18", "small", "small_moe"});
  });
  visit("in_channels", backbone.in_channels, size_up_to(kMaxChannels));
  visit("initialisation", backbone.initialisation, [](const Text& v) {
    return choice_problem(v, {"pytorch", "torchvision"});
  });
}

std::string head_name_problem(const std::string& name) {
  return choice_problem(name, {"dense", "soft_moe", "sparse_moe", "hard_moe"});
}

/// Visitor that fills in the fields of `reader`.
auto reading(JsonObject& reader) {
  return [&reader](const char* field, auto& value, auto&& rule) {
    value = reader.optional(field, value);
    if (const std::string problem = rule(value); !problem.empty()) reader.fail(field, problem);
  };
}

/// Visitor that writes fields to `object`.
auto writing(nlohmann::json& object) {
  return [&object](const char* field, const auto& value, auto&&) { object[field] = value; };
}

}  // namespace

ModelConfig parse_model_config(JsonObject model) {
  ModelConfig config;
  JsonObject backbone = model.optional_object("backbone");
  for_each_backbone_field(config.backbone, reading(backbone));
  if (config.backbone.has_moe()) {
    JsonObject moe = backbone.optional_object("moe");
    for_each_moe_field(config.backbone.moe, reading(moe));
    moe.finish();
  }
  backbone.finish();

  JsonObject head = model.object("head");
  config.head.name = head.required<std::string>("name");
  if (const std::string problem = head_name_problem(config.head.name); !problem.empty()) {
    head.fail("name", problem);
  }
  if (config.backbone.has_moe() && config.head.name != "dense") {
    head.fail("name", fmt::format("must be dense behind the backbone {}, which has a gate, got {}",
                                  config.backbone.name, config.head.name));
  }
  for_each_head_field(config.head, reading(head));
  if (config.head.name == "hard_moe" && head.has("top_k")) {  // said, though it has no other
    head.bounded<std::int64_t>("top_k", 1, 1);
  }
  head.finish();
  model.finish();
  return config;
}

ModelConfig parse_model_config(const nlohmann::json& model, const std::string& where) {
  return parse_model_config(JsonObject({{"model", model}}, where).object("model"));
}

nlohmann::json to_json(const ModelConfig& config) {
  nlohmann::json backbone = nlohmann::json::object();
  for_each_backbone_field(config.backbone, writing(backbone));
  if (config.backbone.has_moe()) {
    for_each_moe_field(config.backbone.moe, writing(backbone["moe"]));
  }
  nlohmann::json head = {{"name", config.head.name}};
  for_each_head_field(config.head, writing(head));
  return {{"backbone", backbone}, {"head", head}};
}

void check_model_config(const ModelConfig& config) {
  parse_model_config(to_json(config), "model configuration");
}

}  // namespace switchyard
