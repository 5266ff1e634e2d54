#include "engine/core/dtype.h"

#include <array>

namespace switchyard {
namespace {

struct Entry {
  DType dtype;
  std::string_view name;
  std::size_t bytes;
};
constexpr std::array kEntries = {
    Entry{DType::kFloat32, "float32", 4},   Entry{DType::kFloat64, "float64", 8},
    Entry{DType::kBFloat16, "bfloat16", 2}, Entry{DType::kInt32, "int32", 4},
    Entry{DType::kInt64, "int64", 8},       Entry{DType::kUInt8, "uint8", 1}};

}  // namespace

std::size_t size_of(DType dtype) { return kEntries[static_cast<std::size_t>(dtype)].bytes; }

std::string_view name(DType dtype) { return kEntries[static_cast<std::size_t>(dtype)].name; }

DType parse_dtype(std::string_view text) {
  for (const Entry& entry : kEntries) {
    if (entry.name == text) return entry.dtype;
  }
  throw UsageError(fmt::format(
      "unknown dtype '{}', expected float32, float64, bfloat16, int32, int64 or uint8", text));
}

}  // namespace switchyard
