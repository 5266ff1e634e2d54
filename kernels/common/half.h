#pragma once

#include <bit>
#include <cstdint>

#include "kernels/common/host_device.h"

namespace switchyard::kernels {

/// IEEE 754 binary16: 5 exponent bits, 10 stored mantissa bits, gradual underflow. For storage
/// only, like BFloat16: arithmetic happens in float32.
struct Half {
  std::uint16_t bits;

  Half() = default;
  /// Rounds to nearest, ties to even. A NaN stays a NaN (quiet); 65520 and more become infinite.
  SWITCHYARD_HOST_DEVICE explicit Half(float value) {
    const auto word = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = word >> 16 & 0x8000U;
    const std::uint32_t magnitude = word & 0x7FFFFFFFU;
    if (magnitude > kFloatInfinity) {
      bits = static_cast<std::uint16_t>(sign | kQuietNan);
    } else if (magnitude >= kOverflow) {
      bits = static_cast<std::uint16_t>(sign | kInfinity);
    } else if (magnitude >= kLeastNormal) {
      // The exponents' biases differ by 112; the carry of rounding may raise the exponent.
      const std::uint32_t even = magnitude >> kDropped & 1U;
      const std::uint32_t rounded = magnitude - (112U << 23) + 0xFFFU + even;
      bits = static_cast<std::uint16_t>(sign | rounded >> kDropped);
    } else {
      // Adding 0.5 leaves the multiple of 2^-24, rounded to even, in the lowest mantissa bits.
      const float shifted = std::bit_cast<float>(magnitude) + 0.5F;
      bits = static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - kOneHalf));
    }
  }
  /// The conversion is exact.
  SWITCHYARD_HOST_DEVICE explicit operator float() const {
    const std::uint32_t sign = std::uint32_t{bits & 0x8000U} << 16;
    const std::uint32_t exponent = bits >> 10 & 0x1FU;
    const std::uint32_t mantissa = bits & 0x3FFU;
    std::uint32_t magnitude = 0;
    if (exponent == 0) {
      magnitude = std::bit_cast<std::uint32_t>(static_cast<float>(mantissa) * 0x1.0p-24F);
    } else if (exponent == 0x1FU) {
      magnitude = kFloatInfinity | mantissa << kDropped;
    } else {
      magnitude = (exponent + 112U) << 23 | mantissa << kDropped;
    }
    return std::bit_cast<float>(sign | magnitude);
  }

 private:
  static constexpr int kDropped = 13;  // mantissa bits that float32 has more
  static constexpr std::uint32_t kFloatInfinity = 0x7F800000U;
  static constexpr std::uint32_t kOverflow = 0x477FF000U;     // 65520
  static constexpr std::uint32_t kLeastNormal = 0x38800000U;  // 2^-14
  static constexpr std::uint32_t kOneHalf = 0x3F000000U;
  static constexpr std::uint32_t kInfinity = 0x7C00U;
  static constexpr std::uint32_t kQuietNan = 0x7E00U;
};
static_assert(sizeof(Half) == 2);

}  // namespace switchyard::kernels
