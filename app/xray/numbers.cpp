#include "app/xray/numbers.h"

#include <fmt/format.h>

#include <charconv>
#include <cstring>
#include <iterator>
#include <limits>

#include "app/output.h"
#include "kernels/common/half.h"

namespace switchyard {
namespace {

constexpr std::string_view kNames[] = {"i8",  "u8",  "i16", "u16",  "i32", "u32",
                                       "i64", "u64", "f16", "bf16", "f32", "f64"};

template <class T>
void append_bytes(const T& value, std::string& bytes) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// Calls body.operator()<T>() with the C++ type.
template <class Body>
decltype(auto) with_type(NumberType type, const Body& body) {
  switch (type) {
    case NumberType::kInt8:
      return body.template operator()<std::int8_t>();
    case NumberType::kUInt8:
      return body.template operator()<std::uint8_t>();
    case NumberType::kInt16:
      return body.template operator()<std::int16_t>();
    case NumberType::kUInt16:
      return body.template operator()<std::uint16_t>();
    case NumberType::kInt32:
      return body.template operator()<std::int32_t>();
    case NumberType::kUInt32:
      return body.template operator()<std::uint32_t>();
    case NumberType::kInt64:
      return body.template operator()<std::int64_t>();
    case NumberType::kUInt64:
      return body.template operator()<std::uint64_t>();
    case NumberType::kFloat16:
      return body.template operator()<kernels::Half>();
    case NumberType::kBFloat16:
      return body.template operator()<BFloat16>();
    case NumberType::kFloat32:
      return body.template operator()<float>();
    default:
      return body.template operator()<double>();
  }
}

}  // namespace

bool parse_number_type(std::string_view name, NumberType& type) {
  for (std::size_t i = 0; i < std::size(kNames); ++i) {
    if (name != kNames[i]) continue;
    type = static_cast<NumberType>(i);
    return true;
  }
  return false;
}

bool is_floating(NumberType type) { return type >= NumberType::kFloat16; }

std::size_t number_bytes(NumberType type) {
  return with_type(type, []<class T>() { return sizeof(T); });
}

double number_at(NumberType type, const char* from) {
  return with_type(type, [&]<class T>() {
    T value;
    std::memcpy(&value, from, sizeof value);
    if constexpr (sizeof(T) == 2 && !std::numeric_limits<T>::is_integer) {
      return static_cast<double>(static_cast<float>(value));
    } else {
      return static_cast<double>(value);
    }
  });
}

std::string number_text(NumberType type, const char* from) {
  if (is_floating(type)) return fmt::format("{:.9g}", unsigned_nan(number_at(type, from)));
  return with_type(type, [&]<class T>() -> std::string {
    if constexpr (std::numeric_limits<T>::is_integer) {
      T value;
      std::memcpy(&value, from, sizeof value);
      return std::to_string(value);
    }
    return {};
  });
}

void append_value(NumberType type, double value, std::string& bytes) {
  with_type(type, [&]<class T>() {
    if constexpr (sizeof(T) == 2 && !std::numeric_limits<T>::is_integer) {
      append_bytes(T(static_cast<float>(value)), bytes);
    } else if constexpr (std::numeric_limits<T>::is_integer) {
      append_bytes(static_cast<T>(static_cast<std::uint64_t>(value)), bytes);
    } else {
      append_bytes(static_cast<T>(value), bytes);
    }
  });
}

bool append_number(NumberType type, std::string_view text, std::string& bytes) {
  const char* const last = text.data() + text.size();
  if (is_floating(type)) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), last, value);
    if (error != std::errc() || end != last) return false;
    append_value(type, value, bytes);
    return true;
  }
  return with_type(type, [&]<class T>() {
    if constexpr (std::numeric_limits<T>::is_integer) {
      T value = 0;
      const auto [end, error] = std::from_chars(text.data(), last, value);
      if (error != std::errc() || end != last) return false;
      append_bytes(value, bytes);
    }
    return true;
  });
}

}  // namespace switchyard
