#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace switchyard {

/// A constant that belongs to one call of an operation and is no tensor: a stride, a flag, a rate.
/// Its rule has it among its captures, where nobody else can see it.
struct Attribute {
  std::string_view name;  ///< a literal
  std::variant<std::int64_t, double, bool, std::string_view> value;

  template <std::integral T>
  Attribute(std::string_view label, T number) : name(label) {
    if constexpr (std::same_as<T, bool>) {
      value = number;
    } else {
      value = static_cast<std::int64_t>(number);
    }
  }
  Attribute(std::string_view label, double number) : name(label), value(number) {}
  /// `text` is a literal.
  Attribute(std::string_view label, const char* text)
      : name(label), value(std::string_view(text)) {}
};

/// "stride=2", "transpose_a=true", "rate=0.5".
std::string text_of(const Attribute& attribute);

/// What an operation calls itself when it is recorded: `record("exp", ...)`, or with attributes
/// `record({"clamp", {{"low", low}, {"high", high}}}, ...)`. It lives as long as the expression
/// that it stands in, and costs nothing where nothing is recorded.
class Operation {
 public:
  // NOLINTBEGIN(google-explicit-constructor): an operation without attributes is its name.
  Operation(const char* name) : name_(name) {}
  Operation(std::string_view name) : name_(name) {}
  // NOLINTEND(google-explicit-constructor)
  Operation(std::string_view name, std::initializer_list<Attribute> attributes)
      : name_(name), attributes_(attributes) {}

  /// A literal: it outlives the graph.
  std::string_view name() const { return name_; }
  std::span<const Attribute> attributes() const { return attributes_; }

 private:
  std::string_view name_;
  std::span<const Attribute> attributes_;
};

}  // namespace switchyard
