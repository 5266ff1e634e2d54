#include "app/xray/arguments.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "app/option_values.h"
#include "app/xray/buffer.h"
#include "app/xray/numbers.h"
#include "engine/core/check.h"

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

class Reader {
 public:
  Reader(Memory& memory, std::size_t position, const std::string& argument, const XraySizes& sizes)
      : memory_(memory), position_(position), argument_(argument), sizes_(sizes) {}

  Value read(std::string_view text, const kernels::xray::Type* declared) {
    if (text.starts_with('{')) return read_structure(text);
    const auto buffer = read_xray_buffer(text, "--arg " + std::to_string(position_), sizes_);
    if (buffer) return pointer(*buffer);
    std::string_view rest = text;
    const std::string_view form = take_part(rest, ':');
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

  Value pointer(const XrayBuffer& buffer) {
    const bool is_empty = buffer.contents != XrayContents::kValues;
    std::byte* memory = memory_.allocate(buffer.bytes(), xray_buffer_name(position_, ++buffers_),
                                         is_empty ? Contents::kUndefined : Contents::kValues);
    if (!buffer.data.empty()) std::memcpy(memory, buffer.data.data(), buffer.data.size());
    if (buffer.contents == XrayContents::kResult) {
      memory_.expect_result(memory, static_cast<std::uint32_t>(number_bytes(buffer.type)));
    }
    const auto address = reinterpret_cast<std::uint64_t>(memory);
    return {std::string(reinterpret_cast<const char*>(&address), sizeof address), sizeof address};
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

  static constexpr int kMostDepth = 32;

  Memory& memory_;
  std::size_t position_;
  const std::string& argument_;
  std::uint64_t buffers_ = 0;
  const XraySizes& sizes_;
  int depth_ = 0;  ///< of the structure that is read
};

}  // namespace

std::string xray_buffer_name(std::uint64_t argument, std::uint64_t buffer) {
  return buffer == 1 ? fmt::format("argument {}", argument)
                     : fmt::format("argument {} (buffer {})", argument, buffer);
}

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
