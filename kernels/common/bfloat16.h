#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

#include "kernels/common/host_device.h"

namespace switchyard::kernels {

/// The upper half of a float32: 8 exponent bits, 7 stored mantissa bits. For storage only:
/// arithmetic happens in float32.
struct BFloat16 {
  std::uint16_t bits;

  BFloat16() = default;
  /// Rounds to nearest, ties to even. A NaN stays a NaN (quiet); what lies beyond the largest
  /// finite number becomes infinite.
  SWITCHYARD_HOST_DEVICE explicit BFloat16(float value) {
    const auto word = std::bit_cast<std::uint32_t>(value);
    if (value != value) {
      bits = static_cast<std::uint16_t>((word >> 16) | 0x40U);  // a payload in the lower half only
    } else {
      bits = static_cast<std::uint16_t>((word + 0x7FFFU + (word >> 16 & 1U)) >> 16);
    }
  }
  /// The conversion is exact.
  SWITCHYARD_HOST_DEVICE explicit operator float() const {
    return std::bit_cast<float>(std::uint32_t{bits} << 16);
  }
};
static_assert(sizeof(BFloat16) == 2);

/// Names the type that a product of T operands is summed and stored in: float32 for bfloat16, else
/// T.
template <class T>
using ResultOf = std::conditional_t<std::is_same_v<T, BFloat16>, float, T>;

}  // namespace switchyard::kernels
