#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/core/check.h"

namespace switchyard {

/// Says what a JSON document may be at most. Parsed, a short text can take 50 times its bytes;
/// these limits keep any document below 300 MB.
inline constexpr std::uint64_t kMaxJsonBytes = 64'000'000;
inline constexpr int kMaxJsonDepth = 64;  ///< arrays and objects inside one another
inline constexpr std::int64_t kMaxJsonValues = 1'000'000;  ///< of any type, in the whole document

/// Parses JSON (RFC 8259) strictly: the text is UTF-8 and one document up to its last byte; a
/// repeated name in an object, a number beyond float64 and what exceeds the limits above are
/// errors. Takes time proportional to the text but for a logarithm of an object's members. Error
/// "WHERE: line 3, column 7: ..." in one line.
nlohmann::json parse_json(std::string_view text, const std::string& where);

/// Reads a file and parses it as parse_json() does; messages begin with its path.
nlohmann::json read_json(const std::filesystem::path& path);

/// `value` as text, which never fails: bytes of a string that are no UTF-8 become U+FFFD.
/// `indent` spaces a level; one line where it is negative.
std::string json_text(const nlohmann::json& value, int indent = -1);

/// Replaces the file at `path` by `value`, indented, in one step (files.h).
void write_json_atomic(const std::filesystem::path& path, const nlohmann::json& value);

/// A name out of a file as messages show it: one_line() of at most about 100 bytes.
std::string printable(std::string_view name);

/// The first ten of `names`, printable and separated by `separator`, and how many more there are.
std::string printable_list(const std::vector<std::string>& names, std::string_view separator);

/// Reads one JSON object field by field and leaves no field unread:
///
///   JsonObject config(read_json("config.json"), "config.json");
///   const auto epochs = config.required<std::int64_t>("epochs");
///   const auto rate = config.optional<double>("learning_rate", 0.1);
///   JsonObject model = config.object("model");
///   ...
///   model.finish();
///   config.finish();
///
/// A missing field, a wrong type or an unknown field is a UsageError in one line that says where,
/// for example "config.json: model.head.top_k: expected an integer, got a string". T is bool, an
/// integer or floating-point type, std::string, nlohmann::json or a vector of those. Integers must
/// be written as such and fit; floating-point numbers may be written either way.
class JsonObject {
 public:
  /// `where` is what messages begin with: a file name or an option. Keeps its own copy of `value`.
  JsonObject(nlohmann::json value, std::string where)
      : JsonObject(std::move(value), std::move(where), "") {}

  bool has(const std::string& field) const { return value_.contains(field); }

  template <class T>
  T required(const std::string& field) {
    T result{};
    convert(find_required(field), path_of(field), result);
    return result;
  }

  template <class T>
  T optional(const std::string& field, T otherwise) {
    note(field);
    return has(field) ? required<T>(field) : std::move(otherwise);
  }

  /// An integer of at least `minimum` and at most `maximum`. The range is checked before the value
  /// becomes a T: "must be at most 4096, got 4294967297".
  template <class T>
  T bounded(const std::string& field, std::type_identity_t<T> minimum,
            std::type_identity_t<T> maximum) {
    return static_cast<T>(bounded_integer(field, minimum, maximum));
  }
  /// Reads the same, or gives `otherwise` where the field is missing.
  template <class T>
  T bounded_or(const std::string& field, T otherwise, std::type_identity_t<T> minimum,
               std::type_identity_t<T> maximum) {
    note(field);
    return has(field) ? bounded<T>(field, minimum, maximum) : otherwise;
  }

  /// The object in a field. The result must be finished on its own.
  JsonObject object(const std::string& field) {
    return JsonObject(find_required(field), where_, path_of(field));
  }
  /// Returns object(), or an empty object where the field is missing.
  JsonObject optional_object(const std::string& field) {
    note(field);
    return has(field) ? object(field)
                      : JsonObject(nlohmann::json::object(), where_, path_of(field));
  }

  /// The objects in a list, none where the field is missing. Each must be finished on its own.
  std::vector<JsonObject> optional_objects(const std::string& field);

  /// A text that must be one of `known`; `otherwise` where the field is missing.
  std::string choice(const std::string& field, const std::string& otherwise,
                     std::initializer_list<std::string_view> known);

  /// UsageError naming the fields never asked for, those that there are, and the nearest of them:
  /// here, or deeper in what `whole` returns, an object of this kind with all its fields.
  void finish(nlohmann::json (*whole)() = nullptr) const;

  /// Throws a UsageError about a field whose value has the right type and is still wrong:
  /// "config.json: model.head.top_k: must be at most 8, got 9".
  [[noreturn]] void fail(const std::string& field, std::string_view what) const;

 private:
  JsonObject(nlohmann::json value, std::string where, std::string path);

  std::int64_t bounded_integer(const std::string& field, std::int64_t minimum,
                               std::int64_t maximum);
  const nlohmann::json& find_required(const std::string& field);
  void note(const std::string& field);
  std::string path_of(const std::string& field) const;
  [[noreturn]] void wrong_type(const nlohmann::json& value, const std::string& path,
                               std::string_view expected) const;

  void convert(const nlohmann::json& value, const std::string& path, bool& out) const;
  void convert(const nlohmann::json& value, const std::string& path, std::int64_t& out) const;
  void convert(const nlohmann::json& value, const std::string& path, std::uint64_t& out) const;
  void convert(const nlohmann::json& value, const std::string& path, int& out) const;
  void convert(const nlohmann::json& value, const std::string& path, double& out) const;
  void convert(const nlohmann::json& value, const std::string& path, float& out) const;
  void convert(const nlohmann::json& value, const std::string& path, std::string& out) const;
  void convert(const nlohmann::json& value, const std::string& path, nlohmann::json& out) const {
    (void)path;
    out = value;
  }
  template <class T>
  void convert(const nlohmann::json& value, const std::string& path, std::vector<T>& out) const {
    if (!value.is_array()) wrong_type(value, path, "an array");
    out.resize(value.size());
    for (std::size_t i = 0; i < value.size(); ++i) {
      T element{};
      convert(value[i], path + "[" + std::to_string(i) + "]", element);
      out[i] = std::move(element);
    }
  }

  nlohmann::json value_;
  std::string where_;
  std::string path_;
  std::vector<std::string> known_;  // fields asked for so far
};

}  // namespace switchyard
