#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "engine/core/check.h"

namespace switchyard {

/// Element type of a tensor. Arithmetic runs in float32 and float64; integers hold labels, expert
/// indices and raw image bytes and carry no gradient.
enum class DType : std::uint8_t { kFloat32, kFloat64, kBFloat16, kInt32, kInt64, kUInt8 };

std::size_t size_of(DType dtype);
/// "float32", "float64", ... as in configuration files and error messages.
std::string_view name(DType dtype);
/// Inverts name(); UsageError listing the known names otherwise.
DType parse_dtype(std::string_view text);
inline bool is_floating(DType dtype) {
  return dtype == DType::kFloat32 || dtype == DType::kFloat64 || dtype == DType::kBFloat16;
}

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::kFloat32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::kFloat64;
};
template <>
struct DTypeOf<std::int32_t> {
  static constexpr DType value = DType::kInt32;
};
template <>
struct DTypeOf<std::int64_t> {
  static constexpr DType value = DType::kInt64;
};
template <>
struct DTypeOf<std::uint8_t> {
  static constexpr DType value = DType::kUInt8;
};
template <class T>
inline constexpr DType kDTypeOf = DTypeOf<T>::value;

/// Returns whether an operation on `dtype` computes in float64; Error naming `op` unless it is that
/// or float32.
inline bool is_float64(std::string_view op, DType dtype) {
  check(dtype == DType::kFloat32 || dtype == DType::kFloat64,
        "[{}] needs float32 or float64, got {}", op, name(dtype));
  return dtype == DType::kFloat64;
}

/// Calls `f.template operator()<T>()` with T = float or double; Error naming `op` for other dtypes.
template <class F>
decltype(auto) dispatch_floating(DType dtype, std::string_view op, F&& f) {
  if (is_float64(op, dtype)) return std::forward<F>(f).template operator()<double>();
  return std::forward<F>(f).template operator()<float>();
}

}  // namespace switchyard
