#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/common/bfloat16.h"

namespace switchyard::kernels {

/// Two neighbouring terms of a sum in bfloat16, as the processors' products of bfloat16 take them:
/// the earlier one in the lower half.
struct BFloat16Pair {
  std::uint32_t bits = 0;

  BFloat16Pair() = default;
  BFloat16Pair(BFloat16 first, BFloat16 second)
      : bits(first.bits | std::uint32_t{second.bits} << 16) {}
};

/// How a tile product holds operands of type T: `Element` is what one step of a sum reads, kTerms
/// terms, and sums are of type Sum.
template <class T>
struct TileOperand {
  using Element = T;
  using Sum = T;
  static constexpr std::int64_t kTerms = 1;
};
template <>
struct TileOperand<BFloat16> {
  using Element = BFloat16Pair;
  using Sum = float;
  static constexpr std::int64_t kTerms = 2;
};

template <class T>
using ElementOf = typename TileOperand<T>::Element;
template <class T>
inline constexpr std::int64_t kTermsOf = TileOperand<T>::kTerms;

/// Elements that hold `terms` terms.
template <class T>
constexpr std::int64_t elements_for(std::int64_t terms) {
  return (terms + kTermsOf<T> - 1) / kTermsOf<T>;
}

}  // namespace switchyard::kernels
