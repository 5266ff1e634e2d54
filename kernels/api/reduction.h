#pragma once

#include <cstdint>

#include "kernels/api/kernel.h"
#include "kernels/common/floating_types.h"

// These kernels sum over the middle axis of [outer, reduce, inner], T of every floating type.
// Partial sums cover fixed stretches of the data and are added in order, in double: the same bits
// for any thread count, and an error that does not grow with the number of terms in float32. A sum
// is rounded once, to T.

namespace switchyard::kernels {

/// y = sums of x over the middle axis; zeros where `reduce` is 0. With outer = 1 this is the sum
/// over rows of a matrix, with inner = 1 the sum of each row.
template <class T>
struct SumMiddle {
  static constexpr std::string_view kName = "sum_middle";
  const T* x = nullptr;  ///< [outer, reduce, inner]
  T* y = nullptr;        ///< [outer, inner]
  std::int64_t outer = 0;
  std::int64_t reduce = 0;
  std::int64_t inner = 0;
  Work work() const { return {.bytes = bytes_of<T>(outer * (reduce + 1) * inner)}; }
};

/// Sums the products a · b over the same axis: dot products (outer = inner = 1) and per-channel
/// products (outer = 1).
template <class T>
struct SumProducts {
  static constexpr std::string_view kName = "sum_products";
  const T* a = nullptr;  ///< [outer, reduce, inner]
  const T* b = nullptr;  ///< [outer, reduce, inner]
  T* y = nullptr;        ///< [outer, inner]
  std::int64_t outer = 0;
  std::int64_t reduce = 0;
  std::int64_t inner = 0;
  Work work() const { return {.bytes = bytes_of<T>(outer * (2 * reduce + 1) * inner)}; }
};

/// Both, of every floating type.
using Sums = OfEvery<FloatingTypes, SumMiddle, SumProducts>;

}  // namespace switchyard::kernels
