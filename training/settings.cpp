#include "training/settings.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "engine/core/check.h"
#include "engine/io/json.h"
#include "kernels/api/text.h"

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

/// Names a setting in messages, however long it is.
std::string name_of(const std::string& setting) {
  return fmt::format("setting '{}'", one_line(setting, 200));
}

/// The parts of a dotted path.
std::vector<std::string> fields_of_path(const std::string& setting, std::string_view path) {
  std::vector<std::string> fields;
  for (std::size_t end = 0; end != std::string_view::npos; path.remove_prefix(end + 1)) {
    end = path.find('.');
    fields.emplace_back(path.substr(0, end));
    check<UsageError>(!fields.back().empty(), "{}: a field in the path has no name",
                      name_of(setting));
    check<UsageError>(std::ssize(fields) <= kMaxJsonDepth, "{}: more than {} fields in the path",
                      name_of(setting), kMaxJsonDepth);
    if (end == std::string_view::npos) break;
  }
  return fields;
}

/// Returns whether a person means a number by `value`: digits with a sign, a point or an exponent.
bool looks_like_number(std::string_view value) {
  if (value.starts_with('+') || value.starts_with('-')) value.remove_prefix(1);
  if (value.empty() || (value[0] != '.' && (value[0] < '0' || value[0] > '9'))) return false;
  double number = 0.0;
  return std::from_chars(value.data(), value.data() + value.size(), number).ptr ==
         value.data() + value.size();
}

json value_of_setting(const std::string& setting, const std::string& value) {
  const std::string where = name_of(setting);
  try {
    return parse_json(value, where);
  } catch (const Error& error) {
    const bool is_structured = value.starts_with('{') || value.starts_with('[') ||
                               value.starts_with('"') || value.find('\0') != std::string::npos;
    if (is_structured) throw UsageError(error.what());
  }
  check<UsageError>(!looks_like_number(value),
                    "{}: {} is not how JSON writes a number (0.1, 10, 1e-3; at most 1.8e308)",
                    where, value);
  return value;
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
  check<UsageError>(equals != std::string::npos && equals > 0, "{}: expected PATH=VALUE",
                    name_of(text));
  check<UsageError>(is_utf8(text), "{}: not UTF-8", name_of(text));
  const std::vector<std::string> fields = fields_of_path(text, text.substr(0, equals));
  json layer = value_of_setting(text, text.substr(equals + 1));
  for (auto field = fields.rbegin(); field != fields.rend(); ++field) {
    json around = json::object();
    around[*field] = std::move(layer);
    layer = std::move(around);
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
