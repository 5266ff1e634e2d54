#include "app/option_values.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "engine/core/suggest.h"

namespace switchyard {
namespace {

bool all_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// Says what is wrong with `text` as a whole number from `least` to `most`; empty if nothing is.
std::string whole_number_problem(std::string_view text, std::uint64_t least, std::uint64_t most) {
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (!all_digits(digits) || (digits.size() > 1 && digits[0] == '0')) {
    return fmt::format("must be a whole number in decimal digits, got '{}'", text);
  }
  if (text.starts_with('-')) return fmt::format("must be at least {}, got {}", least, text);
  const std::optional<std::uint64_t> value = parse_whole_number(text);
  if (!value || *value > most) return fmt::format("must be at most {}, got {}", most, text);
  return *value < least ? fmt::format("must be at least {}, got {}", least, text) : "";
}

std::string positive_number_problem(std::string_view text) {
  double value = 0.0;
  const auto [stop, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_number = problem == std::errc{} && stop == text.data() + text.size();
  if (is_number && std::isfinite(value) && value > 0.0) return "";
  return fmt::format("must be above 0, got {}", text);
}

}  // namespace

std::optional<std::uint64_t> parse_whole_number(std::string_view text) {
  if (!all_digits(text) || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  std::uint64_t value = 0;
  const auto [stop, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{}) return std::nullopt;
  return value;
}

std::string_view take_part(std::string_view& text, char separator) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

CLI::Validator whole_number(std::uint64_t least, std::uint64_t most) {
  return CLI::Validator([=](std::string& text) { return whole_number_problem(text, least, most); },
                        "");
}

CLI::Validator positive_number() {
  return CLI::Validator([](std::string& text) { return positive_number_problem(text); }, "");
}

CLI::Validator one_of(std::vector<std::string> names) {
  const std::string list = fmt::format("{{{}}}", fmt::join(names, ","));
  return CLI::Validator(
      [names = std::move(names)](std::string& text) -> std::string {
        if (std::ranges::find(names, text) != names.end()) return "";
        return fmt::format("must be one of {}, got '{}'{}", fmt::join(names, ", "), text,
                           did_you_mean(text, names));
      },
      list);
}

}  // namespace switchyard
