#include <algorithm>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/io/files.h"
#include "engine/io/json.h"
#include "engine/io/safetensors.h"
#include "engine/io/safetensors_format.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using safetensors::kMetadata;
using safetensors::kPrefixBytes;
using safetensors::kStoredTypes;
using safetensors::StoredType;
using safetensors::with_elements;

/// One tensor as the header describes it; begin and end count from the header's end.
struct Entry {
  std::string name;
  std::string dtype;
  const StoredType* type = nullptr;  ///< null where the engine lacks the dtype
  Shape shape;                       ///< of a tensor that is read
  std::uint64_t begin = 0;
  std::uint64_t end = 0;

  std::size_t bytes() const { return end - begin; }
};

/// The value of an IEEE 754 half: sign, 5 bits of exponent, 10 of mantissa. float32 holds each.
float widen_half(std::uint16_t half) {
  constexpr std::uint32_t kExponentShift = 127 - 15;  // between the two formats' biases
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000U) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1FU;
  const std::uint32_t mantissa = half & 0x3FFU;
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | sign);
  }
  const std::uint32_t wide = exponent == 0x1F ? 0xFFU : exponent + kExponentShift;
  return std::bit_cast<float>(sign | wide << 23 | mantissa << 13);
}

/// Reads and checks one file.
class Reader {
 public:
  Reader(const fs::path& path, StoredBFloat16 bfloat16)
      : path_(path.string()), file_(path), bfloat16_(bfloat16) {}

  TensorFile read() {
    const json header = read_header();
    TensorFile result;
    std::vector<Entry> entries;
    for (const auto& [name, value] : header.items()) {
      if (name == kMetadata) {
        result.metadata = metadata(value);
      } else {
        entries.push_back(entry(name, value));
      }
    }
    std::ranges::sort(entries, {}, [](const Entry& e) { return std::pair(e.begin, e.end); });
    check_layout(entries);
    for (const Entry& e : entries) {
      if (e.type == nullptr) {
        skip(e);
        result.skipped.emplace(e.name, e.dtype);
      } else {
        const Tensor tensor = elements(e);
        const bool widened =
            tensor.dtype() == DType::kBFloat16 && bfloat16_ == StoredBFloat16::kWidened;
        result.tensors.emplace(e.name, widened ? tensor.to(DType::kFloat32) : tensor);
      }
    }
    char more = 0;
    require(data_bytes_.has_value() || file_.read(&more, 1) == 0, "bytes follow the last tensor");
    return result;
  }

 private:
  template <class... Args>
  void require(bool condition, fmt::format_string<Args...> format, Args&&... args) const {
    if (!condition) [[unlikely]] {
      throw Error(path_ + ": " + fmt::format(format, std::forward<Args>(args)...));
    }
  }
  template <class... Args>
  void require_tensor(bool condition, const std::string& name, fmt::format_string<Args...> format,
                      Args&&... args) const {
    if (!condition) [[unlikely]] {
      throw Error(fmt::format("{}: tensor '{}': ", path_, printable(name)) +
                  fmt::format(format, std::forward<Args>(args)...));
    }
  }

  json read_header() {
    const std::uint64_t size = file_.size().value_or(kPrefixBytes);
    std::uint64_t length = 0;
    const std::size_t got = size < kPrefixBytes ? size : file_.read(&length, kPrefixBytes);
    require(got == kPrefixBytes, "{} bytes are too few for a safetensors file", got);
    if (file_.size()) {
      require(length <= size - kPrefixBytes,
              "the header's length of {} bytes goes beyond the file, which has {}", length, size);
      data_bytes_ = size - kPrefixBytes - length;
    }
    require(length <= kMaxTensorHeaderBytes,
            "the header's length of {} bytes is above the limit of {}", length,
            kMaxTensorHeaderBytes);
    std::string text(length, '\0');
    text.resize(file_.read(text.data(), length));
    require(text.size() == length, "ends within its header, after {} of {} bytes", text.size(),
            length);
    require(text.starts_with('{'), "no safetensors file: the header does not begin with '{{'");
    return parse_json(text, path_ + ": header");
  }

  std::map<std::string, std::string> metadata(const json& value) const {
    std::map<std::string, std::string> result;
    require(value.is_object(), "{} is no object", kMetadata);
    for (const auto& [key, text] : value.items()) {
      require(text.is_string(), "{}: '{}' is no string", kMetadata, printable(key));
      result.emplace(key, text.get<std::string>());
    }
    return result;
  }

  /// The non-negative integers in the field `field` of a tensor's description.
  std::vector<std::uint64_t> integers(const std::string& name, const json& value,
                                      const char* field) const {
    require_tensor(value.contains(field) && value[field].is_array(), name, "no array {}", field);
    std::vector<std::uint64_t> result;
    for (const json& number : value[field]) {
      require_tensor(number.is_number_unsigned(), name,
                     "{} holds something else than integers >= 0", field);
      result.push_back(number.get<std::uint64_t>());
    }
    return result;
  }

  Entry entry(const std::string& name, const json& value) const {
    require_tensor(value.is_object(), name, "its description is no object");
    require_tensor(value.contains("dtype") && value["dtype"].is_string(), name, "no string dtype");
    const auto& dtype = value["dtype"].get_ref<const std::string&>();
    const auto offsets = integers(name, value, "data_offsets");
    require_tensor(offsets.size() == 2 && offsets[0] <= offsets[1], name,
                   "data_offsets must be a begin and an end that does not precede it");
    const auto sizes = integers(name, value, "shape");
    const auto* known = std::ranges::find(kStoredTypes, dtype, &StoredType::name);
    if (known == kStoredTypes.end()) return {name, dtype, nullptr, {}, offsets[0], offsets[1]};
    Entry e{name, dtype, known, shape(name, sizes), offsets[0], offsets[1]};
    std::uint64_t bytes = 0;
    const bool overflow =
        __builtin_mul_overflow(static_cast<std::uint64_t>(e.shape.numel()), known->bytes, &bytes);
    require_tensor(!overflow && bytes == e.bytes(), name,
                   "shape {} of {} does not take the {} bytes that data_offsets give",
                   e.shape.to_string(), dtype, e.bytes());
    return e;
  }

  Shape shape(const std::string& name, const std::vector<std::uint64_t>& sizes) const {
    std::vector<std::int64_t> axes;
    for (const std::uint64_t size : sizes) {
      require_tensor(std::in_range<std::int64_t>(size), name, "size {} in its shape is too large",
                     size);
      axes.push_back(static_cast<std::int64_t>(size));
    }
    try {
      return Shape(std::span<const std::int64_t>(axes));
    } catch (const Error& error) {
      require_tensor(false, name, "{}", error.what());
      throw;
    }
  }

  /// The tensors, sorted by their place, must fill the data without overlap and without holes.
  void check_layout(const std::vector<Entry>& entries) const {
    std::uint64_t end = 0;
    for (const Entry& e : entries) {
      require_tensor(!data_bytes_ || e.end <= *data_bytes_, e.name,
                     "ends at byte {} of the data, of which the file holds {}: truncated?", e.end,
                     data_bytes_.value_or(0));
      require_tensor(e.begin >= end, e.name, "overlaps the tensor before it, which ends at byte {}",
                     end);
      require_tensor(e.begin == end, e.name, "a hole of {} bytes before it", e.begin - end);
      end = e.end;
    }
    require(!data_bytes_ || end == *data_bytes_, "{} bytes follow the last tensor",
            data_bytes_.value_or(0) - end);
  }

  /// The next `count` bytes of the data, which are read in blocks: what a pipe's header announces
  /// takes memory only once it has come.
  std::vector<std::byte> read_blocks(const Entry& e) {
    constexpr std::size_t kBlock = std::size_t{1} << 24;
    std::vector<std::byte> bytes;
    while (bytes.size() < e.bytes()) {
      const std::size_t begin = bytes.size();
      bytes.resize(begin + std::min(kBlock, e.bytes() - begin));
      read_bytes(e, bytes.data() + begin, bytes.size() - begin);
    }
    return bytes;
  }

  void read_bytes(const Entry& e, void* to, std::size_t count) {
    const std::size_t got = file_.read(to, count);
    require_tensor(got == count, e.name,
                   "the file ends {} bytes before the tensor does: truncated?", count - got);
  }

  void skip(const Entry& e) {
    std::vector<std::byte> block(std::min<std::size_t>(e.bytes(), std::size_t{1} << 20));
    for (std::size_t left = e.bytes(); left > 0; left -= std::min(left, block.size())) {
      read_bytes(e, block.data(), std::min(left, block.size()));
    }
  }

  /// Reads the next tensor; the entries come in the order of their data.
  Tensor elements(const Entry& e) {
    const bool is_half = e.type->bytes != size_of(e.type->dtype);
    if (data_bytes_ && !is_half) {
      Tensor tensor = Tensor::empty(e.shape, e.type->dtype);
      with_elements(tensor, [&](auto* to) { read_bytes(e, to, e.bytes()); });
      return tensor;
    }
    const std::vector<std::byte> bytes = read_blocks(e);
    Tensor tensor = Tensor::empty(e.shape, e.type->dtype);
    if (is_half) {
      widen(bytes, tensor.data<float>());
    } else {
      with_elements(tensor, [&](auto* to) {
        if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
      });
    }
    return tensor;
  }

  static void widen(std::span<const std::byte> halves, float* out) {
    for (std::size_t i = 0; i + 1 < halves.size(); i += 2) {
      *out++ = widen_half(static_cast<std::uint16_t>(
          std::to_integer<unsigned>(halves[i]) | std::to_integer<unsigned>(halves[i + 1]) << 8));
    }
  }

  std::string path_;
  InputFile file_;
  StoredBFloat16 bfloat16_;
  std::optional<std::uint64_t> data_bytes_;  ///< of a regular file
};

}  // namespace

TensorFile read_safetensors(const fs::path& path, StoredBFloat16 bfloat16) {
  return Reader(path, bfloat16).read();
}

}  // namespace switchyard
