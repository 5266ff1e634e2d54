#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <string_view>

#include "engine/core/bfloat16.h"
#include "engine/core/check.h"
#include "engine/core/tensor.h"

namespace switchyard::safetensors {

// The reader and the writer of the format share this.

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

inline constexpr std::uint64_t kPrefixBytes = 8;  // the header's length
inline constexpr std::string_view kMetadata = "__metadata__";

/// A dtype of the format that is read.
struct StoredType {
  std::string_view name;
  std::uint64_t bytes;  ///< of an element in the file
  DType dtype;          ///< of the tensor that holds its elements: float32 for F16
};

inline constexpr std::array kStoredTypes = {
    StoredType{"F32", 4, DType::kFloat32},  StoredType{"F64", 8, DType::kFloat64},
    StoredType{"I32", 4, DType::kInt32},    StoredType{"I64", 8, DType::kInt64},
    StoredType{"U8", 1, DType::kUInt8},     StoredType{"F16", 2, DType::kFloat32},
    StoredType{"BF16", 2, DType::kBFloat16}};

/// Calls f with a typed pointer to the elements of `tensor`.
template <class T, class F>
void with_elements(T& tensor, F&& f) {
  switch (tensor.dtype()) {
    case DType::kFloat32:
      return f(tensor.template data<float>());
    case DType::kFloat64:
      return f(tensor.template data<double>());
    case DType::kInt32:
      return f(tensor.template data<std::int32_t>());
    case DType::kInt64:
      return f(tensor.template data<std::int64_t>());
    case DType::kUInt8:
      return f(tensor.template data<std::uint8_t>());
    case DType::kBFloat16:
      return f(tensor.template data<BFloat16>());
  }
  throw Error("a tensor of an unknown dtype cannot be stored");
}

}  // namespace switchyard::safetensors
