#include "engine/io/json.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "engine/io/files.h"

namespace switchyard {
namespace {

using nlohmann::json;

constexpr int kMaxDepth = 64;

/// "line 3, column 7" of byte `position`, counted from 1 as nlohmann::json does.
std::string place(std::string_view text, std::size_t position) {
  const std::string_view before = text.substr(0, position == 0 ? 0 : position - 1);
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 == 0
  return fmt::format("line {}, column {}", std::ranges::count(before, '\n') + 1,
                     before.size() - line_start + 1);
}

/// What nlohmann::json says after "[json.exception...] parse error at line 1, column 2: ".
std::string_view detail(std::string_view message) {
  const std::size_t prefix = message.find(": ");
  return prefix == std::string_view::npos ? message : message.substr(prefix + 2);
}

std::string type_of(const json& value) {
  switch (value.type()) {
    case json::value_t::object:
      return "an object";
    case json::value_t::array:
      return "an array";
    case json::value_t::string:
      return "a string";
    case json::value_t::boolean:
      return "a boolean";
    case json::value_t::null:
      return "null";
    case json::value_t::number_float:
      return fmt::format("the number {}", value.dump());
    default:
      return fmt::format("the integer {}", value.dump());
  }
}

}  // namespace

json parse_json(std::string_view text, const std::string& where) {
  std::vector<std::set<std::string>> names;  // per open object, those seen
  const auto watch = [&](int depth, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::object_start) names.emplace_back();
    if (event == json::parse_event_t::object_end) names.pop_back();
    check(depth <= kMaxDepth, "{}: nested deeper than {} levels", where, kMaxDepth);
    if (event == json::parse_event_t::key) {
      const auto& name = parsed.get_ref<const std::string&>();
      check(names.back().insert(name).second, "{}: the name '{}' occurs twice in one object", where,
            printable(name));
    }
    return true;
  };
  try {
    return json::parse(text, watch);
  } catch (const json::parse_error& error) {
    throw Error(fmt::format("{}: {}: {}", where, place(text, error.byte),
                            detail(error.what()).substr(0, 200)));
  } catch (const json::exception& error) {  // a number beyond double
    throw Error(fmt::format("{}: {}", where, std::string_view(error.what()).substr(0, 200)));
  }
}

json read_json(const std::filesystem::path& path) {
  return parse_json(read_file(path), path.string());
}

void write_json_atomic(const std::filesystem::path& path, const json& value) {
  write_file_atomic(path, value.dump(2) + "\n");
}

std::string printable(const std::string& name) {
  // As a JSON string without its quotes; broken or cut UTF-8 becomes a replacement character.
  const json text = name.size() > 100 ? name.substr(0, 100) + "..." : name;
  const std::string quoted = text.dump(-1, ' ', false, json::error_handler_t::replace);
  return quoted.substr(1, quoted.size() - 2);
}

JsonObject::JsonObject(json value, std::string where, std::string path)
    : value_(std::move(value)), where_(std::move(where)), path_(std::move(path)) {
  if (!value_.is_object()) wrong_type(value_, path_, "an object");
}

void JsonObject::finish() const {
  std::vector<std::string> unknown;
  for (const auto& [name, value] : value_.items()) {
    if (std::ranges::find(known_, name) == known_.end()) {
      unknown.push_back(path_of(printable(name)));
    }
  }
  check<UsageError>(unknown.empty(), "{}: unknown field{} {} (there {}: {})", where_,
                    unknown.size() == 1 ? "" : "s", fmt::join(unknown, ", "),
                    known_.size() == 1 ? "is" : "are", fmt::join(known_, ", "));
}

void JsonObject::fail(const std::string& field, std::string_view what) const {
  throw UsageError(fmt::format("{}: {}: {}", where_, path_of(field), what));
}

const json& JsonObject::find_required(const std::string& field) {
  note(field);
  check<UsageError>(has(field), "{}: the field {} is missing", where_, path_of(field));
  return value_.at(field);
}

void JsonObject::note(const std::string& field) {
  if (std::ranges::find(known_, field) == known_.end()) known_.push_back(field);
}

std::string JsonObject::path_of(const std::string& field) const {
  return path_.empty() ? field : path_ + "." + field;
}

void JsonObject::wrong_type(const json& value, const std::string& path,
                            std::string_view expected) const {
  throw UsageError(fmt::format("{}: {}{}expected {}, got {}", where_, path,
                               path.empty() ? "" : ": ", expected, type_of(value)));
}

void JsonObject::convert(const json& value, const std::string& path, bool& out) const {
  if (!value.is_boolean()) wrong_type(value, path, "true or false");
  out = value.get<bool>();
}

void JsonObject::convert(const json& value, const std::string& path, std::int64_t& out) const {
  const bool fits =
      value.is_number_integer() &&
      (!value.is_number_unsigned() ||
       value.get<std::uint64_t>() <= std::uint64_t{std::numeric_limits<std::int64_t>::max()});
  if (!fits) wrong_type(value, path, "an integer");
  out = value.get<std::int64_t>();
}

void JsonObject::convert(const json& value, const std::string& path, std::uint64_t& out) const {
  const bool fits =
      value.is_number_unsigned() || (value.is_number_integer() && value.get<std::int64_t>() >= 0);
  if (!fits) wrong_type(value, path, "an integer of at least 0");
  out = value.get<std::uint64_t>();
}

void JsonObject::convert(const json& value, const std::string& path, int& out) const {
  std::int64_t wide = 0;
  convert(value, path, wide);
  if (!std::in_range<int>(wide)) wrong_type(value, path, "an integer of at most 32 bits");
  out = static_cast<int>(wide);
}

void JsonObject::convert(const json& value, const std::string& path, double& out) const {
  if (!value.is_number()) wrong_type(value, path, "a number");
  out = value.get<double>();
}

void JsonObject::convert(const json& value, const std::string& path, float& out) const {
  double wide = 0;
  convert(value, path, wide);
  out = static_cast<float>(wide);
  if (!std::isfinite(out)) wrong_type(value, path, "a number that float32 can hold");
}

void JsonObject::convert(const json& value, const std::string& path, std::string& out) const {
  if (!value.is_string()) wrong_type(value, path, "a string");
  out = value.get<std::string>();
}

}  // namespace switchyard
