#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace switchyard {

/// Values of the names that sizes may be written with.
using SizeNames = std::map<std::string, std::uint64_t, std::less<>>;

/// The value of whole numbers and names with + - * / and parentheses: "(n + 255) / 256". Division
/// rounds down. Nothing where the text is no such expression, names what is unknown, divides by
/// zero, or does not fit 64 bits at any step.
std::optional<std::uint64_t> size_value(std::string_view text, const SizeNames& names);

}  // namespace switchyard
