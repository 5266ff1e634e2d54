#include "models/model_config.h"

#include <cmath>
#include <string_view>

#include "engine/core/suggest.h"
#include "engine/io/json.h"

namespace switchyard {
namespace {

/// Says how `value` leaves the range, "" where it does not.
std::string range_problem(std::int64_t value, std::int64_t minimum, std::int64_t maximum) {
  if (value < minimum) return fmt::format("must be at least {}, got {}", minimum, value);
  if (value > maximum) return fmt::format("must be at most {}, got {}", maximum, value);
  return "";
}

/// The rule for a size of at least one.
auto size_up_to(std::int64_t maximum) {
  return [maximum](std::int64_t value) { return range_problem(value, 1, maximum); };
}

/// Calls visit(field, value, rule) for every field of this kind of head but its name, where
/// rule(value) says what is wrong with it ("" if nothing). The one list of which head has what.
template <class Config, class Visit>
void for_each_head_field(Config& head, Visit&& visit) {
  using Text = std::string;
  const auto probability = [](double v) {
    return v >= 0.0 && v < 1.0 ? Text() : fmt::format("must be in [0, 1), got {}", v);
  };
  const auto coefficient = [](double v) {
    return v >= 0.0 && std::isfinite(v) ? Text() : fmt::format("must not be negative, got {}", v);
  };
  const auto positive = [](double v) {
    return v > 0.0 && std::isfinite(v) ? Text() : fmt::format("must be positive, got {}", v);
  };
  const auto capacity = [](std::int64_t v) { return range_problem(v, 0, kMaxCapacity); };
  const auto choices = [&](std::int64_t k) {
    return k >= 1 && k <= head.experts
               ? Text()
               : fmt::format("must be between 1 and the {} experts, got {}", head.experts, k);
  };
  const auto estimator = [](const Text& v) { return choice_problem(v, {"probability", "smooth"}); };
  const auto order = [](const Text& v) {
    return choice_problem(v, {"topk_softmax", "softmax_topk", "softmax_topk_renormalized"});
  };

  const bool sparse = head.name == "sparse_moe" || head.name == "hard_moe";
  visit("classes", head.classes, size_up_to(kMaxClasses));
  visit("dropout", head.dropout, probability);
  if (head.name == "dense") {
    visit("width", head.width, size_up_to(kMaxWidth));
    return;
  }
  visit("experts", head.experts, size_up_to(kMaxExperts));
  visit("expert_width", head.expert_width, size_up_to(kMaxWidth));
  if (head.name == "sparse_moe") visit("top_k", head.top_k, choices);
  visit("temperature", head.temperature, positive);
  visit("gate_input_dropout", head.gate_input_dropout, probability);
  visit("gate_logits_dropout", head.gate_logits_dropout, probability);
  visit("router_z", head.router_z, coefficient);
  if (!sparse) {
    visit("balance", head.balance, coefficient);
    return;
  }
  visit("importance", head.importance, coefficient);
  visit("load", head.load, coefficient);
  visit("load_estimator", head.load_estimator, estimator);
  visit("switch_balance", head.switch_balance, coefficient);
  visit("router_order", head.router_order, order);
  visit("capacity", head.capacity, capacity);
}

template <class Config, class Visit>
void for_each_backbone_field(Config& backbone, Visit&& visit) {
  using Text = std::string;
  visit("name", backbone.name, [](const Text& v) {
    return choice_problem(v, {"resnet18", "small"});
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
  backbone.finish();

  JsonObject head = model.object("head");
  config.head.name = head.required<std::string>("name");
  if (const std::string problem = head_name_problem(config.head.name); !problem.empty()) {
    head.fail("name", problem);
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
  nlohmann::json head = {{"name", config.head.name}};
  for_each_head_field(config.head, writing(head));
  return {{"backbone", backbone}, {"head", head}};
}

void check_model_config(const ModelConfig& config) {
  parse_model_config(to_json(config), "model configuration");
}

}  // namespace switchyard
