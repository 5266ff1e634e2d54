#include "analysis/verdicts/model_groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace switchyard {
namespace {

using nlohmann::json;

json without_seed(json config) {
  config.erase("seed");
  return config;
}

/// What a group shares with its dense twin.
json training_of(json config) {
  config.erase("seed");
  config.erase("model");
  return config;
}

const json& model_of(const json& config) { return config.at("model"); }

std::string kind_of(const json& config) {
  const json& model = model_of(config);
  return model.at("backbone").contains("moe") ? "patch_moe" : model.at("head").at("name");
}

/// "importance 0.2": every coefficient that is set; files of earlier versions lack some.
std::string coefficients(const json& fields, std::initializer_list<const char*> names) {
  std::string text;
  for (const char* name : names) {
    const double value = fields.value(name, 0.0);
    if (value != 0.0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, value);
  }
  return text.empty() ? "no balance loss" : text;
}

std::string setting_of(const json& config) {
  const json& model = model_of(config);
  const json& head = model.at("head");
  const std::string kind = kind_of(config);
  std::string text;
  if (kind == "soft_moe") {
    text = coefficients(head, {"balance", "router_z"}) + "; ";
  } else if (kind == "sparse_moe" || kind == "hard_moe") {
    text = coefficients(head, {"importance", "load", "switch_balance", "router_z"});
    if (head.value("load", 0.0) != 0.0) {
      text += " as " + head.value("load_estimator", std::string("probability"));
    }
    text += "; ";
  } else if (kind == "patch_moe") {
    text = coefficients(model.at("backbone").at("moe"),
                        {"importance", "load", "switch_balance", "router_z"}) +
           "; ";
  }
  const json data = config.value("data", json::object());
  return text + (data.value("augment", false) ? "augmented" : "not augmented");
}

}  // namespace

const json& ModelGroup::config() const { return runs.begin()->second->at("config"); }

std::vector<ModelGroup> group_runs(const json& study) {
  std::vector<ModelGroup> groups;
  std::vector<json> keys;
  std::map<std::string, int> seen;
  for (const json& run : study.at("runs")) {
    const json& config = run.at("config");
    const json key = without_seed(config);
    const auto place = std::ranges::find(keys, key) - keys.begin();
    if (place == static_cast<std::ptrdiff_t>(keys.size())) {
      const std::string kind = kind_of(config);
      const int times = ++seen[kind];
      groups.push_back({.name = times == 1 ? kind : fmt::format("{} {}", kind, times),
                        .kind = kind,
                        .setting = setting_of(config),
                        .runs = {}});
      keys.push_back(key);
    }
    groups[static_cast<std::size_t>(place)].runs[config.at("seed")] = &run;
  }
  return groups;
}

const ModelGroup* dense_twin(const std::vector<ModelGroup>& groups, const ModelGroup& group) {
  const json& config = group.config();
  for (const ModelGroup& other : groups) {
    if (other.is_moe() || training_of(other.config()) != training_of(config)) continue;
    const json& backbone = model_of(other.config()).at("backbone");
    const bool twin = group.kind == "patch_moe" ? backbone.at("name") == "small"
                                                : backbone == model_of(config).at("backbone");
    if (twin) return &other;
  }
  return nullptr;
}

}  // namespace switchyard
