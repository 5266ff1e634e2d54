#pragma once

#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <string>

namespace switchyard {

// Rules for the fields of a configuration: each says what is wrong with a value, "" if nothing.

inline std::string range_problem(std::int64_t value, std::int64_t minimum, std::int64_t maximum) {
  if (value < minimum) return fmt::format("must be at least {}, got {}", minimum, value);
  if (value > maximum) return fmt::format("must be at most {}, got {}", maximum, value);
  return "";
}

/// The rule for a size of at least one.
inline auto size_up_to(std::int64_t maximum) {
  return [maximum](std::int64_t value) { return range_problem(value, 1, maximum); };
}

/// The rule for a number of at least none.
inline auto count_up_to(std::int64_t maximum) {
  return [maximum](std::int64_t value) { return range_problem(value, 0, maximum); };
}

inline std::string probability_problem(double v) {
  return v >= 0.0 && v < 1.0 ? "" : fmt::format("must be in [0, 1), got {}", v);
}

inline std::string coefficient_problem(double v) {
  return v >= 0.0 && std::isfinite(v) ? "" : fmt::format("must not be negative, got {}", v);
}

inline std::string positive_problem(double v) {
  return v > 0.0 && std::isfinite(v) ? "" : fmt::format("must be positive, got {}", v);
}

/// `k` choices among `experts`.
inline std::string choices_problem(std::int64_t k, std::int64_t experts) {
  if (k >= 1 && k <= experts) return "";
  return fmt::format("must be between 1 and the {} experts, got {}", experts, k);
}

}  // namespace switchyard
