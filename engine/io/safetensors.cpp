#include "engine/io/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "engine/io/files.h"
#include "engine/io/json.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

constexpr std::uint64_t kPrefixBytes = 8;               // the header's length
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // as in the reference implementation
constexpr std::string_view kMetadata = "__metadata__";

struct NamedDType {
  std::string_view name;
  DType dtype;
};
constexpr std::array kDTypes = {
    NamedDType{"F32", DType::kFloat32},   NamedDType{"F64", DType::kFloat64},
    NamedDType{"I32", DType::kInt32},     NamedDType{"I64", DType::kInt64},
    NamedDType{"BF16", DType::kBFloat16}, NamedDType{"U8", DType::kUInt8}};

/// One tensor as the header describes it; begin and end count from the header's end.
struct Entry {
  std::string name;
  DType dtype = DType::kFloat32;
  Shape shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

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
      break;
  }
  throw Error(fmt::format("dtype {} cannot be stored", name(tensor.dtype())));
}

/// Reads and checks one file.
class Reader {
 public:
  explicit Reader(const fs::path& path) : path_(path.string()), stream_(path, std::ios::binary) {
    std::error_code error;
    size_ = fs::file_size(path, error);
    check(!error, "{}: cannot open: {}", path_, error.message());
    check(stream_.is_open(), "{}: cannot open", path_);
  }

  TensorFile read() {
    const json header = read_header();
    TensorFile file;
    std::vector<Entry> entries;
    for (const auto& [name, value] : header.items()) {
      if (name == kMetadata) {
        file.metadata = metadata(value);
      } else {
        entries.push_back(entry(name, value));
      }
    }
    std::ranges::sort(entries, {}, [](const Entry& e) { return std::pair(e.begin, e.end); });
    check_layout(entries);
    for (const Entry& e : entries) file.tensors.emplace(e.name, elements(e));
    return file;
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

  void read_bytes(void* to, std::uint64_t count) {
    stream_.read(static_cast<char*>(to), static_cast<std::streamsize>(count));
    require(static_cast<std::uint64_t>(stream_.gcount()) == count, "cannot read {} bytes", count);
  }

  json read_header() {
    require(size_ >= kPrefixBytes, "{} bytes are too few for a safetensors file", size_);
    std::uint64_t length = 0;
    read_bytes(&length, kPrefixBytes);
    require(length <= size_ - kPrefixBytes,
            "the header's length of {} bytes goes beyond the file, which has {}", length, size_);
    require(length <= kMaxHeaderBytes, "the header's length of {} bytes is above the limit of {}",
            length, kMaxHeaderBytes);
    data_bytes_ = size_ - kPrefixBytes - length;
    std::string text(length, '\0');
    read_bytes(text.data(), length);
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
    const auto* known = std::ranges::find(kDTypes, dtype, &NamedDType::name);
    require_tensor(known != kDTypes.end(), name,
                   "unknown dtype '{}', expected F32, F64, I32, I64, BF16 or U8", printable(dtype));
    const auto offsets = integers(name, value, "data_offsets");
    require_tensor(offsets.size() == 2 && offsets[0] <= offsets[1], name,
                   "data_offsets must be a begin and an end that does not precede it");
    Entry e{name, known->dtype, shape(name, integers(name, value, "shape")), offsets[0],
            offsets[1]};
    std::uint64_t bytes = 0;
    const bool overflow = __builtin_mul_overflow(static_cast<std::uint64_t>(e.shape.numel()),
                                                 std::uint64_t{size_of(e.dtype)}, &bytes);
    require_tensor(!overflow && bytes == e.end - e.begin, name,
                   "shape {} of {} does not take the {} bytes that data_offsets give",
                   e.shape.to_string(), dtype, e.end - e.begin);
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
      require_tensor(e.end <= data_bytes_, e.name,
                     "ends at byte {} of the data, of which the file holds {}: truncated?", e.end,
                     data_bytes_);
      require_tensor(e.begin >= end, e.name, "overlaps the tensor before it, which ends at byte {}",
                     end);
      require_tensor(e.begin == end, e.name, "a hole of {} bytes before it", e.begin - end);
      end = e.end;
    }
    require(end == data_bytes_, "{} bytes follow the last tensor", data_bytes_ - end);
  }

  /// Reads the next tensor; the entries come in the order of their data.
  Tensor elements(const Entry& e) {
    if (e.dtype != DType::kBFloat16) {
      Tensor tensor = Tensor::empty(e.shape, e.dtype);
      with_elements(tensor, [&](auto* to) { read_bytes(to, e.end - e.begin); });
      return tensor;
    }
    std::vector<std::uint16_t> half(static_cast<std::size_t>(e.shape.numel()));
    read_bytes(half.data(), e.end - e.begin);
    Tensor tensor = Tensor::empty(e.shape, DType::kFloat32);
    std::ranges::transform(half, tensor.data<float>(), [](std::uint32_t bits) {
      return std::bit_cast<float>(bits << 16);  // bfloat16 is the upper half of a float32
    });
    return tensor;
  }

  std::string path_;
  std::ifstream stream_;
  std::uint64_t size_ = 0;
  std::uint64_t data_bytes_ = 0;
};

/// The header, padded with spaces so that the data begin at a multiple of 8 bytes.
std::string header_text(const std::vector<std::pair<std::string, Tensor>>& tensors,
                        const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header[std::string(kMetadata)] = metadata;
  std::uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    const auto* known = std::ranges::find(kDTypes, tensor.dtype(), &NamedDType::dtype);
    const auto sizes = tensor.shape().sizes();
    header[name] = {{"dtype", known->name},
                    {"shape", std::vector<std::int64_t>(sizes.begin(), sizes.end())},
                    {"data_offsets", {offset, offset + tensor.bytes()}}};
    offset += tensor.bytes();
  }
  std::string text = header.dump();
  text.append((kPrefixBytes - text.size() % kPrefixBytes) % kPrefixBytes, ' ');
  return text;
}

}  // namespace

TensorFile read_safetensors(const fs::path& path) { return Reader(path).read(); }

void write_safetensors(const fs::path& path, const TensorFile& file) {
  std::vector<std::pair<std::string, Tensor>> tensors(file.tensors.begin(), file.tensors.end());
  for (const auto& [name, tensor] : tensors) {
    check(tensor.defined() && tensor.dtype() != DType::kBFloat16 && name != kMetadata,
          "{}: tensor '{}' cannot be written: undefined, bfloat16 or a reserved name",
          path.string(), printable(name));
  }
  for (auto& named : tensors) named.second = named.second.to(Device::kCpu);
  std::ranges::stable_sort(tensors, std::greater{},
                           [](const auto& named) { return size_of(named.second.dtype()); });
  std::string header;
  try {
    header = header_text(tensors, file.metadata);
  } catch (const json::exception& error) {  // a name that is no UTF-8
    throw Error(fmt::format("{}: cannot be written: {}", path.string(), error.what()));
  }
  AtomicFile out(path);
  const std::uint64_t length = header.size();
  out.write(std::as_bytes(std::span(&length, 1)));
  out.write(header);
  for (const auto& [name, tensor] : tensors) {
    const auto count = static_cast<std::size_t>(tensor.numel());
    with_elements(tensor,
                  [&](const auto* from) { out.write(std::as_bytes(std::span(from, count))); });
  }
  out.commit();
}

void require_finite(const std::string& name, const Tensor& tensor, const fs::path& path) {
  if (!is_floating(tensor.dtype())) return;
  with_elements(tensor, [&]<class T>(const T* values) {
    const T* end = values + tensor.numel();
    const T* bad = std::find_if(values, end, [](T value) {
      if constexpr (std::is_floating_point_v<T>) return !std::isfinite(value);
      return false;
    });
    check(bad == end, "{}: tensor '{}' of shape {}: element {} is {}, expected finite numbers",
          path.string(), printable(name), tensor.shape().to_string(), bad - values,
          bad == end ? T{} : *bad);
  });
}

}  // namespace switchyard
