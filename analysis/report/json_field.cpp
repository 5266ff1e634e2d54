#include "analysis/report/json_field.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/core/check.h"

namespace switchyard {

JsonField::JsonField(const nlohmann::json& value, std::string file, std::string path)
    : value_(value), file_(std::move(file)), path_(std::move(path)) {}

JsonField JsonField::at(std::string_view name) const {
  if (auto member = find(name)) return *member;
  throw Error(fmt::format("{}: {}{}{}: missing", file_, path_, path_.empty() ? "" : ".", name));
}

std::optional<JsonField> JsonField::find(std::string_view name) const {
  if (!value_.is_object()) wrong_type("an object");
  const auto member = value_.find(std::string(name));
  if (member == value_.end()) return std::nullopt;
  return JsonField(*member, file_, fmt::format("{}{}{}", path_, path_.empty() ? "" : ".", name));
}

std::vector<JsonField> JsonField::elements() const {
  if (!value_.is_array()) wrong_type("an array");
  std::vector<JsonField> fields;
  for (size_t i = 0; i < value_.size(); ++i) {
    fields.emplace_back(value_[i], file_, fmt::format("{}[{}]", path_, i));
  }
  return fields;
}

std::vector<JsonField> JsonField::elements(size_t size) const {
  auto fields = elements();
  if (fields.size() != size) {
    fail(fmt::format("expected {} elements, got {}", size, fields.size()));
  }
  return fields;
}

double JsonField::number() const {
  if (value_.is_null()) return std::numeric_limits<double>::quiet_NaN();
  if (!value_.is_number()) wrong_type("a number");
  return value_.get<double>();
}

double JsonField::fraction() const {
  const double x = number();
  // Sums of float32 shares may end a rounding error outside.
  if (x < -1e-5 || x > 1 + 1e-5) fail(fmt::format("expected a fraction from 0 to 1, got {}", x));
  return x;
}

int64_t JsonField::integer(int64_t minimum) const {
  if (!value_.is_number_integer()) wrong_type("an integer");
  constexpr auto kMost = std::numeric_limits<int64_t>::max();  // seeds may be larger
  const bool huge = value_.is_number_unsigned() && value_.get<uint64_t>() > uint64_t{kMost};
  const int64_t x = huge ? kMost : value_.get<int64_t>();
  if (x < minimum) fail(fmt::format("expected at least {}, got {}", minimum, x));
  return x;
}

const std::string& JsonField::string() const {
  if (!value_.is_string()) wrong_type("a string");
  return value_.get_ref<const std::string&>();
}

bool JsonField::boolean() const {
  if (!value_.is_boolean()) wrong_type("true or false");
  return value_.get<bool>();
}

void JsonField::fail(std::string_view what) const {
  throw Error(path_.empty() ? fmt::format("{}: {}", file_, what)
                            : fmt::format("{}: {}: {}", file_, path_, what));
}

void JsonField::wrong_type(std::string_view expected) const {
  fail(fmt::format("expected {}, got {} {}", expected,
                   value_.is_array() || value_.is_object() ? "an" : "a", value_.type_name()));
}

}  // namespace switchyard
