#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace switchyard {

// These say what options accept. CLI11 alone would read 010 as octal, cut numbers that are too
// large, take -1 for an unsigned number, and nan, inf or 0x1p3 for a floating-point one.

inline constexpr std::uint64_t kAnyUnsigned = std::numeric_limits<std::uint64_t>::max();
inline constexpr std::uint64_t kAnySigned = std::numeric_limits<std::int64_t>::max();
inline constexpr std::uint64_t kMostThreads = 4096;

/// Reads `text` as plain decimal digits: no sign, no blank, no leading zero, and not above 2^64
/// - 1. Returns nothing where it is something else.
std::optional<std::uint64_t> parse_whole_number(std::string_view text);

/// The part of `text` before the next `separator`; `text` keeps what follows.
std::string_view take_part(std::string_view& text, char separator);

/// Takes whole numbers from `least` to `most` in decimal digits.
CLI::Validator whole_number(std::uint64_t least, std::uint64_t most);

/// Takes finite decimal numbers above 0.
CLI::Validator positive_number();

/// Takes one of `names`; another one is answered with the list and the nearest of them.
CLI::Validator one_of(std::vector<std::string> names);

}  // namespace switchyard
