#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>

#include "kernels/common/bfloat16.h"

namespace switchyard::kernels::workbench {

/// Names what an array of a kernel holds.
enum class ElementType { kFloat32, kFloat64, kBFloat16, kInt64 };

constexpr std::string_view name(ElementType type) {
  switch (type) {
    case ElementType::kFloat32:
      return "float32";
    case ElementType::kFloat64:
      return "float64";
    case ElementType::kBFloat16:
      return "bfloat16";
    case ElementType::kInt64:
      return "int64";
  }
  return "";
}

template <class T>
constexpr ElementType element_type() {
  if constexpr (std::is_same_v<T, float>) {
    return ElementType::kFloat32;
  } else if constexpr (std::is_same_v<T, double>) {
    return ElementType::kFloat64;
  } else if constexpr (std::is_same_v<T, BFloat16>) {
    return ElementType::kBFloat16;
  } else {
    static_assert(std::is_same_v<T, std::int64_t>);
    return ElementType::kInt64;
  }
}

/// ‖a - b‖ / ‖b‖ that a correct result of this dtype may reach against float64, on data of unit
/// scale. bfloat16 stands for rounded operands: the reference gets the same ones, and the
/// arithmetic is float32. Indices are exact.
constexpr double tolerance(ElementType type) {
  switch (type) {
    case ElementType::kFloat32:
    case ElementType::kBFloat16:
      return 1e-5;
    case ElementType::kFloat64:
      return 1e-10;
    case ElementType::kInt64:
      return 0.0;
  }
  return 0.0;
}

/// What a result that is stored in this type may be off by beside that: bfloat16 rounds it once
/// more, by at most half a unit of its eighth and last digit, 2⁻⁸ of a number just above a power of
/// two.
constexpr double stored_rounding(ElementType type) {
  return type == ElementType::kBFloat16 ? 0x1p-8 : 0.0;
}

/// Returns what a correct result of this dtype may be off by beside tolerance(), relative to the
/// magnitudes of the terms that it is a sum of: some ten units of rounding of the arithmetic,
/// float32 for bfloat16. It is all that is allowed where the terms cancel.
constexpr double rounding(ElementType type) {
  switch (type) {
    case ElementType::kFloat32:
    case ElementType::kBFloat16:
      return 1e-6;
    case ElementType::kFloat64:
      return 2e-15;
    case ElementType::kInt64:
      return 0.0;
  }
  return 0.0;
}

}  // namespace switchyard::kernels::workbench
