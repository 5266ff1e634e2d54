#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "kernels/common/bfloat16.h"
#include "kernels/common/host_device.h"
#include "kernels/common/type_list.h"

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

/// Converts a number to another element type, alike on every device. From floating to integer it is
/// cut off towards zero, NaN becomes 0, and what lies outside the range becomes its nearest end.
/// From integer to integer the low bits remain. To a narrower floating type it is rounded to
/// nearest, ties to even; an integer goes to bfloat16 by way of float64.
template <class To, class From>
SWITCHYARD_HOST_DEVICE inline To convert_element(From x) {
  if constexpr (std::is_same_v<To, From>) {
    return x;
  } else if constexpr (std::is_same_v<From, BFloat16>) {
    return convert_element<To>(static_cast<float>(x));
  } else if constexpr (std::is_same_v<To, BFloat16> && !std::is_same_v<From, float>) {
    return bfloat16_from(static_cast<double>(x));
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

/// Element types of tensors.
using ElementTypes = TypeList<float, double, BFloat16, std::int32_t, std::int64_t, std::uint8_t>;

}  // namespace switchyard::kernels
