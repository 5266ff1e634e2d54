#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace switchyard {

/// A JSON value together with the file and the path that lead to it, for reading results that may
/// be damaged. Every accessor throws Error "FILE: PATH: expected ..., got ..." where the value is
/// not what it asks for. Refers to the value: keep the document alive.
class JsonField {
 public:
  /// `file` is how messages name the file, for example "dense-seed1/results.json".
  JsonField(const nlohmann::json& value, std::string file, std::string path = "");

  const nlohmann::json& json() const { return value_; }

  /// The member `name` of this object; the first throws where it is missing.
  JsonField at(std::string_view name) const;
  std::optional<JsonField> find(std::string_view name) const;

  /// The elements of this array; with `size`, exactly that many.
  std::vector<JsonField> elements() const;
  std::vector<JsonField> elements(size_t size) const;

  /// A number, or NaN for null: JSON has no other way to say "not finite".
  double number() const;
  /// A number from 0 to 1, or NaN for null.
  double fraction() const;
  /// An integer of at least `minimum`; one beyond 63 bits as the largest of them.
  int64_t integer(int64_t minimum) const;
  const std::string& string() const;
  bool boolean() const;

  /// Throws Error with this field's file and path before `what`.
  [[noreturn]] void fail(std::string_view what) const;

 private:
  [[noreturn]] void wrong_type(std::string_view expected) const;

  const nlohmann::json& value_;
  std::string file_;
  std::string path_;
};

}  // namespace switchyard
