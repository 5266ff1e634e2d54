#pragma once

#include <cmath>

namespace switchyard::kernels::workbench {

/// A number of a reference with the magnitude of what it was computed from: Σ |terms| for a sum.
/// Arithmetic carries both along. Magnitude times a unit of rounding is what a correct kernel may
/// be off by, even where its terms cancel and little or nothing is left of the value.
///
/// A plain number has its own magnitude; kernels compute differences of operands such as x - mean
/// exactly, so a case hands those in as plain numbers.
struct Measured {
  double value = 0.0;
  double magnitude = 0.0;

  Measured() = default;
  Measured(double number)  // NOLINT: a number is a reference's value as it is
      : value(number), magnitude(std::abs(number)) {}
  Measured(double number, double size) : value(number), magnitude(size) {}

  Measured& operator+=(const Measured& term) {
    value += term.value;
    magnitude += term.magnitude;
    return *this;
  }
};

inline Measured operator+(Measured a, const Measured& b) { return a += b; }
inline Measured operator-(const Measured& a) { return {-a.value, a.magnitude}; }
inline Measured operator-(const Measured& a, const Measured& b) { return a + -b; }

/// |a b| where neither factor cancelled; else what the cancelled one's rounding is multiplied by.
inline Measured operator*(const Measured& a, const Measured& b) {
  const double product = std::abs(a.value * b.value);
  return {a.value * b.value,
          a.magnitude * std::abs(b.value) + b.magnitude * std::abs(a.value) - product};
}
inline Measured operator/(const Measured& a, double divisor) {
  return {a.value / divisor, a.magnitude / std::abs(divisor)};
}

}  // namespace switchyard::kernels::workbench
