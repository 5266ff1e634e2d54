#include "training/settings.h"

#include <nlohmann/json.hpp>

#include "engine/core/check.h"

namespace switchyard {
namespace {

using nlohmann::json;

bool chooses_another(const json& lower, const json& upper) {
  for (const char* choice : {"name", "kind"}) {
    if (upper.contains(choice) && lower.contains(choice) && upper[choice] != lower[choice]) {
      return true;
    }
  }
  return false;
}

json fields_about_data(const json& object) {
  json kept = json::object();
  for (const char* field : {"classes", "in_channels"}) {
    if (object.contains(field)) kept[field] = object[field];
  }
  return kept;
}

}  // namespace

json merge_settings(json lower, const json& upper) {
  if (!lower.is_object() || !upper.is_object()) return upper;
  if (chooses_another(lower, upper)) lower = fields_about_data(lower);
  for (const auto& [field, value] : upper.items()) {
    lower[field] = lower.contains(field) ? merge_settings(lower[field], value) : value;
  }
  return lower;
}

json parse_setting(const std::string& text) {
  const std::size_t equals = text.find('=');
  check<UsageError>(equals != std::string::npos && equals > 0,
                    "setting '{}': expected PATH=VALUE, for example optimizer.rate=0.2", text);
  const std::string value = text.substr(equals + 1);
  json layer = json::parse(value, nullptr, false);
  if (layer.is_discarded()) layer = value;
  std::string path = text.substr(0, equals);
  while (!path.empty()) {
    const std::size_t dot = path.rfind('.');
    const std::string field = dot == std::string::npos ? path : path.substr(dot + 1);
    check<UsageError>(!field.empty(), "setting '{}': a field in the path has no name", text);
    layer = json{{field, layer}};
    path = dot == std::string::npos ? "" : path.substr(0, dot);
  }
  return layer;
}

std::string first_difference(const json& a, const json& b) {
  if (a == b) return "";
  if (!a.is_object() || !b.is_object()) return "";
  for (const auto& [field, value] : a.items()) {
    if (!b.contains(field)) return field;
    if (value == b[field]) continue;
    const std::string below = first_difference(value, b[field]);
    return below.empty() ? field : fmt::format("{}.{}", field, below);
  }
  for (const auto& [field, value] : b.items()) {
    if (!a.contains(field)) return field;
  }
  return "";
}

}  // namespace switchyard
