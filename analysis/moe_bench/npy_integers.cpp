#include <cstdint>
#include <cstring>

#include "analysis/moe_bench/trace.h"
#include "engine/core/check.h"
#include "engine/io/npy.h"

namespace switchyard::moe_bench {
namespace {

template <class T>
void widen(const char* from, std::int64_t* to, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    T value;
    std::memcpy(&value, from + i * sizeof(T), sizeof(T));
    to[i] = static_cast<std::int64_t>(value);
  }
}

struct Reader {
  std::string_view type;
  void (*widen)(const char*, std::int64_t*, std::size_t);
};
constexpr Reader kReaders[] = {
    {"|i1", widen<std::int8_t>},   {"|u1", widen<std::uint8_t>}, {"<i2", widen<std::int16_t>},
    {"<u2", widen<std::uint16_t>}, {"<i4", widen<std::int32_t>}, {"<u4", widen<std::uint32_t>},
    {"<i8", widen<std::int64_t>},
};

}  // namespace

Tensor read_npy_integers(const std::filesystem::path& path) {
  const NpyArray array = read_npy(path);
  for (const Reader& reader : kReaders) {
    if (array.type != reader.type) continue;
    Tensor numbers = Tensor::empty(array.shape, DType::kInt64);
    reader.widen(array.data.data(), numbers.data<std::int64_t>(),
                 static_cast<std::size_t>(array.shape.numel()));
    return numbers;
  }
  throw Error(fmt::format("{}: expected integers of 1 to 8 bytes; the header says '{}'",
                          path.string(), array.type));
}

}  // namespace switchyard::moe_bench
