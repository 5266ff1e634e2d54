#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "engine/core/bfloat16.h"

namespace switchyard {

/// The element types of buffers that a kernel gets.
enum class NumberType : std::uint8_t {
  kInt8,
  kUInt8,
  kInt16,
  kUInt16,
  kInt32,
  kUInt32,
  kInt64,
  kUInt64,
  kFloat16,
  kBFloat16,
  kFloat32,
  kFloat64
};

/// Reads i8, u8 ... f64. False for anything else.
bool parse_number_type(std::string_view name, NumberType& type);
bool is_floating(NumberType type);
std::size_t number_bytes(NumberType type);
/// The number whose bytes begin at `from`; beyond 2^53 the nearest that a double holds.
double number_at(NumberType type, const char* from);
/// The same as people read it, whole numbers with all their digits.
std::string number_text(NumberType type, const char* from);

/// The type of a tensor's elements.
template <class T>
constexpr NumberType number_type() {
  if constexpr (std::is_same_v<T, float>) return NumberType::kFloat32;
  if constexpr (std::is_same_v<T, double>) return NumberType::kFloat64;
  if constexpr (std::is_same_v<T, std::int32_t>) return NumberType::kInt32;
  if constexpr (std::is_same_v<T, std::int64_t>) return NumberType::kInt64;
  if constexpr (std::is_same_v<T, std::uint8_t>) return NumberType::kUInt8;
  if constexpr (std::is_same_v<T, BFloat16>) return NumberType::kBFloat16;
}

/// Appends the bytes of a number that is written out. False where the type cannot hold it.
bool append_number(NumberType type, std::string_view text, std::string& bytes);
/// Appends a value rounded to a floating type, or one that is not negative, modulo 2^N, to an
/// integer type of N bits.
void append_value(NumberType type, double value, std::string& bytes);

}  // namespace switchyard
