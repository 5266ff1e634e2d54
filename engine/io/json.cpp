#include "engine/io/json.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/core/suggest.h"
#include "engine/io/files.h"
#include "kernels/api/text.h"

namespace switchyard {
namespace {

using nlohmann::json;

/// "line 3, column 7" of byte `position`, counted from 1 as nlohmann::json does.
std::string place(std::string_view text, std::size_t position) {
  const std::string_view before = text.substr(0, position == 0 ? 0 : position - 1);
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 == 0
  return fmt::format("line {}, column {}", std::ranges::count(before, '\n') + 1,
                     before.size() - line_start + 1);
}

/// The end of a message such as "[json.exception.parse_error.101] parse error at line 1, column 2:
/// syntax error", whose place is given in our own words.
std::string_view detail(std::string_view message) {
  if (const std::size_t id = message.find("] "); id != std::string_view::npos) {
    message.remove_prefix(id + 2);
  }
  if (message.starts_with("parse error")) {
    const std::size_t place = message.find(": ");
    if (place != std::string_view::npos) message.remove_prefix(place + 2);
  }
  return message.substr(0, 200);
}

/// Builds a document from the parser's events. nlohmann's own builder searches an object's members
/// again at the end of each object in it, once it is asked to watch names.
class Builder : public nlohmann::json_sax<json> {
 public:
  Builder(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  json take() { return std::move(document_); }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }  // JSON's text has none

  bool key(string_t& name) override {
    auto& members = open_.back()->get_ref<json::object_t&>();
    const auto [member, is_new] = members.try_emplace(std::move(name));
    check(is_new, "{}: the name '{}' occurs twice in one object", where_, printable(member->first));
    member_ = &member->second;
    return true;
  }
  bool start_object(std::size_t) override { return open(json::object()); }
  bool start_array(std::size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool parse_error(std::size_t position, const std::string&,
                   const json::exception& error) override {
    throw Error(fmt::format("{}: {}: {}", where_, place(text_, position), detail(error.what())));
  }

 private:
  /// Puts a value where the document has come to.
  json* put(json value) {
    check(++values_ <= kMaxJsonValues, "{}: more than {} values, the limit", where_,
          kMaxJsonValues);
    if (open_.empty()) return &(document_ = std::move(value));
    if (open_.back()->is_object()) return &(*member_ = std::move(value));
    auto& elements = open_.back()->get_ref<json::array_t&>();
    return &elements.emplace_back(std::move(value));
  }
  bool add(json value) {
    put(std::move(value));
    return true;
  }
  bool open(json value) {
    check(std::ssize(open_) < kMaxJsonDepth, "{}: nested deeper than {} levels", where_,
          kMaxJsonDepth);
    open_.push_back(put(std::move(value)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  std::string_view text_;
  const std::string& where_;
  json document_;
  std::vector<json*> open_;  // the arrays and objects around the next value
  json* member_ = nullptr;   // the value of the last name
  std::int64_t values_ = 0;
};

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
  check(text.size() <= kMaxJsonBytes, "{}: {} bytes of JSON, the limit is {}", where, text.size(),
        kMaxJsonBytes);
  // The parser takes a NUL byte for the text's end.
  const std::size_t nul = text.find('\0');
  check(nul == std::string_view::npos, "{}: {}: a NUL byte", where, place(text, nul + 1));
  Builder builder(text, where);
  json::sax_parse(text, &builder);
  return builder.take();
}

json read_json(const std::filesystem::path& path) {
  return parse_json(read_file(path, kMaxJsonBytes), path.string());
}

std::string json_text(const json& value, int indent) {
  return value.dump(indent, ' ', /*ensure_ascii=*/false, json::error_handler_t::replace);
}

void write_json_atomic(const std::filesystem::path& path, const json& value) {
  write_file_atomic(path, json_text(value, 2) + "\n");
}

std::string printable(std::string_view name) { return one_line(name, 100); }

std::string printable_list(const std::vector<std::string>& names, std::string_view separator) {
  constexpr std::size_t kShown = 10;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i) {
    if (i > 0) text += separator;
    text += printable(names[i]);
  }
  if (names.size() > kShown) {
    text += fmt::format("{}and {} more", separator, names.size() - kShown);
  }
  return text;
}

namespace {

/// "; did you mean 'training.epochs'?" for the first field `name` below `whole`, or "".
std::string found_deeper(const json& whole, const std::string& name, const std::string& path) {
  if (!whole.is_object()) return "";
  for (const auto& [field, value] : whole.items()) {
    const std::string here = path.empty() ? field : path + "." + field;
    if (!path.empty() && field == name) return fmt::format("; did you mean '{}'?", here);
    std::string hint = found_deeper(value, name, here);
    if (!hint.empty()) return hint;
  }
  return "";
}

}  // namespace

JsonObject::JsonObject(json value, std::string where, std::string path)
    : value_(std::move(value)), where_(std::move(where)), path_(std::move(path)) {
  if (!value_.is_object()) wrong_type(value_, path_, "an object");
}

std::string JsonObject::choice(const std::string& field, const std::string& otherwise,
                               std::initializer_list<std::string_view> known) {
  auto text = optional<std::string>(field, otherwise);
  if (const std::string problem = choice_problem(text, known); !problem.empty()) {
    fail(field, problem);
  }
  return text;
}

std::vector<JsonObject> JsonObject::optional_objects(const std::string& field) {
  const auto list = optional<std::vector<json>>(field, {});
  std::vector<JsonObject> objects;
  for (std::size_t i = 0; i < list.size(); ++i) {
    objects.push_back(JsonObject(list[i], where_, fmt::format("{}[{}]", path_of(field), i)));
  }
  return objects;
}

void JsonObject::finish(json (*whole)()) const {
  std::vector<std::string> unknown;
  std::string hint;
  for (const auto& [name, value] : value_.items()) {
    if (std::ranges::find(known_, name) != known_.end()) continue;
    hint = unknown.empty() ? did_you_mean(name, known_) : "";  // of one alone
    if (unknown.empty() && hint.empty() && whole != nullptr) {
      hint = found_deeper(whole(), name, "");
    }
    unknown.push_back(path_of(name));
  }
  if (unknown.empty()) return;
  throw UsageError(fmt::format("{}: unknown field{} {} (there {}: {}){}", where_,
                               unknown.size() == 1 ? "" : "s", printable_list(unknown, ", "),
                               known_.size() == 1 ? "is" : "are", fmt::join(known_, ", "), hint));
}

void JsonObject::fail(const std::string& field, std::string_view what) const {
  throw UsageError(fmt::format("{}: {}: {}", where_, path_of(field), what));
}

std::int64_t JsonObject::bounded_integer(const std::string& field, std::int64_t minimum,
                                         std::int64_t maximum) {
  const auto value = required<std::int64_t>(field);
  if (value < minimum) fail(field, fmt::format("must be at least {}, got {}", minimum, value));
  if (value > maximum) fail(field, fmt::format("must be at most {}, got {}", maximum, value));
  return value;
}

const json& JsonObject::find_required(const std::string& field) {
  note(field);
  const auto found = value_.find(field);
  if (found == value_.end()) {
    throw UsageError(fmt::format("{}: the field {} is missing", where_, path_of(field)));
  }
  return *found;
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
