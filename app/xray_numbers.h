#pragma once

#include <cstdint>
#include <string>
#include <string_view>

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
/// Appends the bytes of a number that is written out. False where the type cannot hold it.
bool append_number(NumberType type, std::string_view text, std::string& bytes);
/// Appends a value rounded to a floating type, or one that is not negative, modulo 2^N, to an
/// integer type of N bits.
void append_value(NumberType type, double value, std::string& bytes);

}  // namespace switchyard
