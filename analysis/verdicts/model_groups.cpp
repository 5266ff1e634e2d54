#include "analysis/verdicts/model_groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace switchyard {
namespace {

using nlohmann::json;

/// What the runs of a group share: all but the seed, and but how it was computed, which changes
/// rounding alone. Seeds that were trained on other threads or elsewhere are seeds of one model.
json shared_config(json config) {
  for (const char* field : {"seed", "device", "conv", "threads", "reproducible"}) {
    config.erase(field);
  }
  return config;
}

/// What a group shares with its dense twin.
json training_of(const json& config) {
  json training = shared_config(config);
  training.erase("model");
  return training;
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

std::string text_of(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

/// In what `config` differs from `first`, another model of its kind. Another backbone is named and
/// not described.
std::vector<ModelDifference> differences(const json& first, const json& config) {
  const std::string backbone = "/model/backbone/";
  const json before = shared_config(first).flatten();
  const json after = shared_config(config).flatten();
  const bool moved = before.at(backbone + "name") != after.at(backbone + "name");
  std::vector<ModelDifference> found;
  json paths = before;
  paths.update(after);
  for (const auto& [path, unused] : paths.items()) {
    if (before.value(path, json()) == after.value(path, json())) continue;
    const std::string field = path.substr(path.rfind('/') + 1);
    if (moved && path.starts_with(backbone) && field != "name") continue;
    found.push_back({moved && path == backbone + "name" ? "backbone" : field,
                     after.contains(path) ? text_of(after.at(path)) : "none"});
  }
  return found;
}

/// "sparse_moe, expert_width 4096"; with a number where another group has this name: of another
/// backbone the rest is not in it.
std::string name_of(const ModelGroup& group, const std::vector<ModelGroup>& others) {
  std::string name = group.kind;
  for (const auto& [field, value] : group.differences) name += fmt::format(", {} {}", field, value);
  const auto taken = [&](const std::string& candidate) {
    return std::ranges::find(others, candidate, &ModelGroup::name) != others.end();
  };
  std::string free = name;
  for (int number = 2; taken(free); ++number) free = fmt::format("{} ({})", name, number);
  return free;
}

/// The group of a run that belongs to none of `groups`.
ModelGroup new_group(const json& config, const std::vector<ModelGroup>& groups) {
  ModelGroup group{.name = {},
                   .kind = kind_of(config),
                   .differences = {},
                   .setting = setting_of(config),
                   .runs = {}};
  const auto first = std::ranges::find(groups, group.kind, &ModelGroup::kind);
  if (first != groups.end()) group.differences = differences(first->config(), config);
  group.name = name_of(group, groups);
  return group;
}

}  // namespace

const json& ModelGroup::config() const { return runs.begin()->second->at("config"); }

std::vector<ModelGroup> group_runs(const json& study) {
  std::vector<ModelGroup> groups;
  std::vector<json> keys;
  for (const json& run : study.at("runs")) {
    const json& config = run.at("config");
    const json key = shared_config(config);
    const auto place = std::ranges::find(keys, key) - keys.begin();
    if (place == std::ssize(keys)) {
      groups.push_back(new_group(config, groups));
      keys.push_back(key);
    }
    groups[static_cast<std::size_t>(place)].runs[config.at("seed")] = &run;
  }
  return groups;
}

json models_json(const std::vector<ModelGroup>& groups) {
  json models = json::array();
  for (const ModelGroup& group : groups) {
    json differences = json::array();
    for (const auto& [field, value] : group.differences) {
      differences.push_back({{"field", field}, {"value", value}});
    }
    json runs = json::array();
    for (const auto& [seed, run] : group.runs) runs.push_back(run->at("name"));
    models.push_back(
        {{"name", group.name}, {"kind", group.kind}, {"differences", differences}, {"runs", runs}});
  }
  return models;
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
