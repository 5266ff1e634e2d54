#include "app/xray_arguments.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <string_view>

#include "app/option_values.h"
#include "app/xray_numbers.h"
#include "engine/core/check.h"
#include "engine/io/npy.h"
#include "engine/io/safetensors.h"
#include "engine/io/safetensors_format.h"

namespace switchyard {
namespace {

using kernels::xray::Contents;
using kernels::xray::Memory;
using kernels::xray::Variable;

/// The bytes of an argument, and how it wants to be aligned in a structure.
struct Value {
  std::string bytes;
  std::size_t align = 1;
};

/// The part before the next colon; `text` keeps what follows.
std::string_view next_part(std::string_view& text) {
  const std::size_t end = std::min(text.find(':'), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

class Reader {
 public:
  Reader(Memory& memory, std::size_t position, const std::string& argument, const XraySizes& sizes)
      : memory_(memory), position_(position), argument_(argument), sizes_(sizes) {}

  Value read(std::string_view text, const kernels::xray::Type* declared) {
    if (text.starts_with('{')) return read_structure(text);
    if (text.ends_with(".npy")) return read_npy_file(std::string(text));
    if (text.find(".safetensors:") != std::string_view::npos) return read_tensor(text);
    std::string_view rest = text;
    const std::string_view form = next_part(rest);
    for (const char* known : {"zeros", "iota", "random", "empty", "out"}) {
      if (form == known) return make_buffer(form, rest);
    }
    NumberType type;
    if (parse_number_type(form, type)) return number(type, rest);
    require(rest.empty(), "is no TYPE:VALUE, buffer or file");
    require(declared != nullptr, "needs a type, such as i32:7");
    return number(declared_type(*declared), form);
  }

 private:
  void require(bool holds, std::string_view what) const {
    check<UsageError>(holds, "--arg {}: '{}' {}", position_, argument_, what);
  }

  NumberType declared_type(const kernels::xray::Type& type) const {
    const std::string name =
        std::string(1, type.kind == 'f' ? 'f' : 'i') + std::to_string(static_cast<int>(type.bits));
    NumberType found;
    require(parse_number_type(name, found), "needs a type, such as i32:7");
    return found;
  }

  Value number(NumberType type, std::string_view text) const {
    std::string bytes;
    if (!append_number(type, text, bytes)) {
      const auto size = size_value(text, sizes_.names);
      require(size && append_number(type, std::to_string(*size), bytes),
              "is no number of its type");
    }
    return {bytes, bytes.size()};
  }

  Value pointer(std::string_view data) {
    std::byte* buffer = memory_.allocate(data.size(), name());
    if (!data.empty()) std::memcpy(buffer, data.data(), data.size());
    return address_of(buffer);
  }

  static Value address_of(std::byte* buffer) {
    const auto address = reinterpret_cast<std::uint64_t>(buffer);
    return {std::string(reinterpret_cast<const char*>(&address), sizeof address), sizeof address};
  }

  std::string name() {
    ++buffers_;
    return "argument " + std::to_string(position_) +
           (buffers_ == 1 ? "" : " (buffer " + std::to_string(buffers_) + ")");
  }

  Value make_buffer(std::string_view form, std::string_view rest) {
    NumberType type;
    require(parse_number_type(next_part(rest), type), "has an unknown type");
    const auto count = size_value(next_part(rest), sizes_.names);
    const bool is_filled = form == "iota" || form == "random";
    require(count && *count <= (is_filled ? kMostElements : kMostReserved),
            is_filled ? "needs a count of at most 2^30" : "needs a count of at most 2^44");
    std::uint64_t seed = 1, below = 100;
    if (form == "random") {
      for (std::uint64_t* one : {&seed, &below}) {
        if (rest.empty()) break;
        const auto given = parse_whole_number(next_part(rest));
        require(given.has_value(), "has a seed or limit that is no number");
        *one = *given;
      }
      require(below > 0, "needs a limit above 0");
    }
    require(rest.empty(), "has parts too many");
    if (!is_filled) return reserve(type, *count, form);
    std::string data;
    std::mt19937_64 random(seed);
    for (std::uint64_t i = 0; i < *count; ++i) {
      const double unit = static_cast<double>(random() >> 11) * 0x1p-53;
      const double value =
          form == "iota" ? static_cast<double>(i)
          : is_floating(type)
              ? 2 * unit - 1
              : static_cast<double>(static_cast<std::uint64_t>(unit * static_cast<double>(below)));
      append_value(type, value, data);
    }
    return pointer(data);
  }

  /// A buffer of zeros; of "empty" and "out" nobody is to rely on them.
  Value reserve(NumberType type, std::uint64_t count, std::string_view form) {
    std::string element;
    append_value(type, 0, element);
    const bool is_undefined = form != "zeros" && !sizes_.are_reserved;
    std::byte* const buffer =
        memory_.allocate(static_cast<std::size_t>(count) * element.size(), name(),
                         is_undefined ? Contents::kUndefined : Contents::kValues);
    if (form == "out" && is_undefined) {
      memory_.expect_result(buffer, static_cast<std::uint32_t>(element.size()));
    }
    return address_of(buffer);
  }

  Value read_npy_file(const std::string& path) { return pointer(read_npy(path).data); }

  Value read_tensor(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    const std::string path(text.substr(0, colon)), tensor(text.substr(colon + 1));
    const TensorFile file = read_safetensors(path, StoredBFloat16::kKept);
    const auto found = file.tensors.find(tensor);
    check(found != file.tensors.end(), "{}: the tensor {} is missing", path, tensor);
    Value value;
    const Tensor& numbers = found->second;
    safetensors::with_elements(numbers, [&](const auto* from) {
      value = pointer({reinterpret_cast<const char*>(from), numbers.bytes()});
    });
    return value;
  }

  /// Where the first field ends: at a comma that no inner structure encloses.
  static std::size_t end_of_field(std::string_view text) {
    int depth = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '{') ++depth;
      if (text[i] == '}') --depth;
      if (text[i] == ',' && depth == 0) return i;
    }
    return text.size();
  }

  Value read_structure(std::string_view text) {
    while (text.ends_with(' ')) text.remove_suffix(1);
    require(text.ends_with('}'), "has no closing brace");
    require(++depth_ <= kMostDepth, "has structures nested too deeply");
    text = text.substr(1, text.size() - 2);
    Value all;
    while (!text.empty()) {
      const std::size_t begin = std::min(text.find_first_not_of(' '), text.size());
      text.remove_prefix(begin);
      const std::size_t end = end_of_field(text);
      const Value field = read(text.substr(0, end), nullptr);
      text.remove_prefix(std::min(end + 1, text.size()));
      all.align = std::max(all.align, field.align);
      all.bytes.resize((all.bytes.size() + field.align - 1) / field.align * field.align);
      all.bytes += field.bytes;
    }
    all.bytes.resize((all.bytes.size() + all.align - 1) / all.align * all.align);
    --depth_;
    return all;
  }

  static constexpr std::uint64_t kMostElements = std::uint64_t{1} << 30;
  static constexpr std::uint64_t kMostReserved = std::uint64_t{1} << 44;
  static constexpr int kMostDepth = 32;

  Memory& memory_;
  std::size_t position_;
  const std::string& argument_;
  const XraySizes& sizes_;
  int buffers_ = 0;
  int depth_ = 0;  ///< of the structure that is read
};

}  // namespace

std::vector<std::byte> xray_parameters(const kernels::xray::Function& kernel,
                                       const std::vector<std::string>& arguments, Memory& memory,
                                       const XraySizes& sizes) {
  check<UsageError>(arguments.size() == kernel.parameters.size(),
                    "{} takes {} arguments, got {}: give one --arg for each", kernel.name,
                    kernel.parameters.size(), arguments.size());
  std::vector<std::byte> buffer(kernel.parameter_bytes);
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const Variable& parameter = kernel.variables[kernel.parameters[i]];
    const bool is_scalar = parameter.bytes == parameter.type.bytes();
    const Value value = Reader(memory, i, arguments[i], sizes)
                            .read(arguments[i], is_scalar ? &parameter.type : nullptr);
    check<UsageError>(value.bytes.size() == parameter.bytes,
                      "--arg {}: '{}' has {} bytes, the parameter {}", i, arguments[i],
                      value.bytes.size(), parameter.bytes);
    std::memcpy(buffer.data() + parameter.offset, value.bytes.data(), value.bytes.size());
  }
  return buffer;
}

}  // namespace switchyard
