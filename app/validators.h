#pragma once

#include <CLI/CLI.hpp>
#include <cmath>
#include <string>

namespace switchyard {

/// Refuses numbers below `minimum`: "must be at least 1, got 0". CLI11's own ranges without an end
/// print the largest double.
inline CLI::Validator at_least(long minimum) {
  return CLI::Validator(
      [minimum](std::string& text) -> std::string {
        double value = 0.0;
        if (CLI::detail::lexical_cast(text, value) && value >= static_cast<double>(minimum)) {
          return "";
        }
        return "must be at least " + std::to_string(minimum) + ", got " + text;
      },
      "");
}

/// Refuses what is no number above 0.
inline CLI::Validator above_zero() {
  return CLI::Validator(
      [](std::string& text) -> std::string {
        double value = 0.0;
        if (CLI::detail::lexical_cast(text, value) && value > 0.0 && std::isfinite(value))
          return "";
        return "must be above 0, got " + text;
      },
      "");
}

}  // namespace switchyard
