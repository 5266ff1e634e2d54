#include "app/xray/buffer.h"

#include <algorithm>
#include <bit>
#include <random>

#include "app/option_values.h"
#include "engine/core/check.h"
#include "engine/io/npy.h"
#include "engine/io/safetensors.h"
#include "engine/io/safetensors_format.h"

namespace switchyard {
namespace {

/// Of buffers whose elements are written one by one, or whose bytes are kept book of.
constexpr std::uint64_t kMostElements = std::uint64_t{1} << 30;
/// Zeros take no memory before a kernel touches them, so that sizes beyond 2^32 can be tried.
constexpr std::uint64_t kMostZeros = std::uint64_t{1} << 44;

class Reader {
 public:
  Reader(std::string_view text, std::string_view subject, const XraySizes& sizes)
      : text_(text), rest_(text), subject_(subject), sizes_(sizes) {}

  std::optional<XrayBuffer> read() {
    if (text_.ends_with(".npy")) return read_npy_file();
    if (text_.find(".safetensors:") != std::string_view::npos) return read_tensor();
    const std::string_view form = next_part(':');
    if (form == "zeros") return zeros(XrayContents::kValues);
    if (form == "empty") return zeros(XrayContents::kEmpty);
    if (form == "out") return zeros(XrayContents::kResult);
    if (form == "iota") return iota();
    if (form == "random") return random();
    if (form == "values") return values();
    return std::nullopt;
  }

 private:
  void require(bool holds, std::string_view what) const {
    check<UsageError>(holds, "{}: '{}' {}", subject_, text_, what);
  }

  std::string_view next_part(char separator) { return take_part(rest_, separator); }

  NumberType type() {
    NumberType found;
    require(parse_number_type(next_part(':'), found), "has an unknown type");
    return found;
  }

  std::uint64_t count(std::uint64_t most) {
    const auto found = size_value(next_part(':'), sizes_.names);
    require(found && *found <= most,
            fmt::format("needs a count of at most 2^{}", std::countr_zero(most)));
    return *found;
  }

  std::uint64_t number_or(std::uint64_t otherwise) {
    if (rest_.empty()) return otherwise;
    const auto found = parse_whole_number(next_part(':'));
    require(found.has_value(), "has a seed or limit that is no number");
    return *found;
  }

  /// Of reserved buffers nobody is to ask what was written to them.
  XrayBuffer zeros(XrayContents contents) {
    if (sizes_.are_reserved) contents = XrayContents::kValues;
    const bool is_kept = contents != XrayContents::kValues;  // a bit for each byte, whether written
    XrayBuffer buffer{type(), count(is_kept ? kMostElements : kMostZeros), {}, contents};
    require(rest_.empty(), "has parts too many");
    return buffer;
  }

  XrayBuffer iota() {
    XrayBuffer buffer{type(), count(kMostElements), {}};
    require(rest_.empty(), "has parts too many");
    for (std::uint64_t i = 0; i < buffer.count; ++i) {
      append_value(buffer.type, static_cast<double>(i), buffer.data);
    }
    return buffer;
  }

  XrayBuffer random() {
    XrayBuffer buffer{type(), count(kMostElements), {}};
    std::mt19937_64 generator(number_or(1));
    const std::uint64_t below = number_or(100);
    require(below > 0, "needs a limit above 0");
    require(rest_.empty(), "has parts too many");
    for (std::uint64_t i = 0; i < buffer.count; ++i) {
      const double unit = static_cast<double>(generator() >> 11) * 0x1p-53;
      const auto whole = static_cast<std::uint64_t>(unit * static_cast<double>(below));
      append_value(buffer.type,
                   is_floating(buffer.type) ? 2 * unit - 1 : static_cast<double>(whole),
                   buffer.data);
    }
    return buffer;
  }

  /// "A,B*COUNT,C".
  XrayBuffer values() {
    XrayBuffer buffer{type(), 0, {}};
    require(!rest_.empty(), "needs at least one number");
    while (!rest_.empty()) {
      std::string_view item = next_part(',');
      std::uint64_t times = 1;
      if (const std::size_t star = item.find('*'); star != std::string_view::npos) {
        const auto given = parse_whole_number(item.substr(star + 1));
        require(given && *given <= kMostElements, "repeats a number too often");
        times = *given;
        item = item.substr(0, star);
      }
      std::string one;
      require(append_number(buffer.type, item, one), "holds what is no number of its type");
      require(buffer.count + times <= kMostElements, "has too many numbers");
      buffer.count += times;
      for (std::uint64_t i = 0; i < times; ++i) buffer.data += one;
    }
    return buffer;
  }

  XrayBuffer read_npy_file() const {
    NpyArray array = read_npy(std::string(text_));
    // "<f4" and "|u1" are f32 and u8 here.
    const std::string name = array.type.substr(1, 1) + std::to_string(8 * (array.type[2] - '0'));
    XrayBuffer buffer;
    require(parse_number_type(name, buffer.type), "has elements of an unknown type");
    buffer.count = static_cast<std::uint64_t>(array.shape.numel());
    buffer.data = std::move(array.data);
    return buffer;
  }

  XrayBuffer read_tensor() const {
    const std::size_t colon = text_.rfind(':');
    const std::string path(text_.substr(0, colon)), name(text_.substr(colon + 1));
    const TensorFile file = read_safetensors(path, StoredBFloat16::kKept);
    const auto found = file.tensors.find(name);
    check(found != file.tensors.end(), "{}: the tensor {} is missing", path, name);
    const Tensor& tensor = found->second;
    XrayBuffer buffer;
    safetensors::with_elements(tensor, [&]<class T>(const T* from) {
      buffer.type = number_type<T>();
      buffer.data.assign(reinterpret_cast<const char*>(from), tensor.bytes());
    });
    buffer.count = static_cast<std::uint64_t>(tensor.numel());
    return buffer;
  }

  std::string_view text_, rest_, subject_;
  const XraySizes& sizes_;
};

}  // namespace

std::optional<XrayBuffer> read_xray_buffer(std::string_view text, std::string_view subject,
                                           const XraySizes& sizes) {
  return Reader(text, subject, sizes).read();
}

}  // namespace switchyard
