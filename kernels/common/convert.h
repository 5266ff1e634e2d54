#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "kernels/common/bfloat16.h"
#include "kernels/common/host_device.h"

namespace switchyard::kernels {

/// Rounds to nearest, ties to even, in one step. By way of float32 alone, a number next to a tie
/// would be rounded to the tie first and then to the wrong side of it.
SWITCHYARD_HOST_DEVICE inline BFloat16 bfloat16_from(double x) {
  const auto single = static_cast<float>(x);
  auto word = std::bit_cast<std::uint32_t>(single);
  if ((word & 0xFFFFU) == 0x8000U && static_cast<double>(single) != x) {
    const bool rounded_away = (static_cast<double>(single) > x) == (single > 0.0F);
    word = rounded_away ? word - 1 : word + 1;  // one float32 back to the side that x is on
  }
  return BFloat16(std::bit_cast<float>(word));
}

/// What a number becomes in another element type, the same on every device. Floating to integer:
/// cut off towards zero, NaN becomes 0, what lies outside the range its nearest end. Integer to
/// integer: the low bits. To a narrower floating type: rounded to nearest, ties to even.
template <class To, class From>
SWITCHYARD_HOST_DEVICE inline To convert_element(From x) {
  if constexpr (std::is_same_v<To, From>) {
    return x;
  } else if constexpr (std::is_same_v<From, BFloat16>) {
    return static_cast<To>(static_cast<float>(x));
  } else if constexpr (std::is_same_v<To, BFloat16> && std::is_same_v<From, double>) {
    return bfloat16_from(x);
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    constexpr To kLowest = std::numeric_limits<To>::min();
    constexpr To kLargest = std::numeric_limits<To>::max();
    if (x >= static_cast<From>(kLargest)) return kLargest;  // this end may be rounded up, to 2^n
    if (x > static_cast<From>(kLowest)) return static_cast<To>(x);
    return x <= static_cast<From>(kLowest) ? kLowest : To{0};
  } else {
    return static_cast<To>(x);
  }
}

}  // namespace switchyard::kernels

// Element types of tensors, for the executors' entry points: X(T) once per type.
#define SWITCHYARD_ELEMENT_TYPES(X) \
  X(float) X(double) X(std::int32_t) X(std::int64_t) X(std::uint8_t)

// Conversions there are: X(From, To) for every pair of element types, a type with itself included,
// and for bfloat16 with the types that it is computed in.
#define SWITCHYARD_CONVERSIONS_FROM(X, From) \
  X(From, float) X(From, double) X(From, std::int32_t) X(From, std::int64_t) X(From, std::uint8_t)
#define SWITCHYARD_CONVERSIONS(X)              \
  SWITCHYARD_CONVERSIONS_FROM(X, float)        \
  SWITCHYARD_CONVERSIONS_FROM(X, double)       \
  SWITCHYARD_CONVERSIONS_FROM(X, std::int32_t) \
  SWITCHYARD_CONVERSIONS_FROM(X, std::int64_t) \
  SWITCHYARD_CONVERSIONS_FROM(X, std::uint8_t) \
  X(float, BFloat16) X(double, BFloat16) X(BFloat16, float) X(BFloat16, double)
