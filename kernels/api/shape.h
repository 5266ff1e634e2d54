#pragma once

#include <cstdint>

#include "kernels/api/kernel.h"
#include "kernels/common/convert.h"

// These kernels move elements. The element types of tensors are kernels/common/convert.h's
// ElementTypes.

namespace switchyard::kernels {

/// A conversion is called by its result's type.
template <class To>
inline constexpr std::string_view kConvertName = {};
template <>
inline constexpr std::string_view kConvertName<float> = "convert_to_float32";
template <>
inline constexpr std::string_view kConvertName<double> = "convert_to_float64";
template <>
inline constexpr std::string_view kConvertName<BFloat16> = "convert_to_bfloat16";
template <>
inline constexpr std::string_view kConvertName<std::int32_t> = "convert_to_int32";
template <>
inline constexpr std::string_view kConvertName<std::int64_t> = "convert_to_int64";
template <>
inline constexpr std::string_view kConvertName<std::uint8_t> = "convert_to_uint8";

/// y[i] = x[i] as a To, by the rules of convert_element (kernels/common/convert.h). From and To are
/// element types, equal or not.
template <class From, class To>
struct Convert {
  static constexpr std::string_view kName = kConvertName<To>;
  const From* x = nullptr;  ///< [count]
  To* y = nullptr;          ///< [count]; does not overlap x
  std::int64_t count = 0;
  Work work() const { return {.bytes = bytes_of<From>(count) + bytes_of<To>(count)}; }
};

/// y[i] = x[i], T an element type.
template <class T>
using Copy = Convert<T, T>;

/// y[i] = value, T an element type.
template <class T>
struct Fill {
  static constexpr std::string_view kName = "fill";
  T* y = nullptr;  ///< [count]
  T value = {};
  std::int64_t count = 0;
  Work work() const { return {.bytes = bytes_of<T>(count)}; }
};

/// y = xᵀ, T = float, double and bfloat16.
template <class T>
struct Transpose {
  static constexpr std::string_view kName = "transpose";
  const T* x = nullptr;  ///< [rows, columns]
  T* y = nullptr;        ///< [columns, rows]
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  Work work() const { return {.bytes = bytes_of<T>(2 * rows * columns)}; }
};

/// Columns [x_begin, x_begin + count) of x to columns [y_begin, y_begin + count) of y, whose other
/// columns become zeros. T = float, double and bfloat16.
template <class T>
struct CopyColumns {
  static constexpr std::string_view kName = "copy_columns";
  std::int64_t rows = 0;
  std::int64_t count = 0;
  const T* x = nullptr;  ///< [rows, x_columns]
  std::int64_t x_columns = 0;
  std::int64_t x_begin = 0;
  T* y = nullptr;  ///< [rows, y_columns]
  std::int64_t y_columns = 0;
  std::int64_t y_begin = 0;
  Work work() const { return {.bytes = bytes_of<T>(rows * (count + y_columns))}; }
};

/// Fill of every element type.
using Fills = TypeList<Fill<float>, Fill<double>, Fill<BFloat16>, Fill<std::int32_t>,
                       Fill<std::int64_t>, Fill<std::uint8_t>>;

/// Every conversion there is.
using Conversions = EachOf<Convert, ElementTypes, ElementTypes>;

/// Kernels that move columns, of every floating type.
using ColumnMoves = TypeList<Transpose<float>, Transpose<double>, Transpose<BFloat16>,
                             CopyColumns<float>, CopyColumns<double>, CopyColumns<BFloat16>>;

}  // namespace switchyard::kernels
