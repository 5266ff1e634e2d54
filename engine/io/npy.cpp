#include "engine/io/npy.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/core/check.h"
#include "engine/io/files.h"
#include "kernels/api/text.h"

// The format: the magic "\x93NUMPY", two version bytes, the header's length (2 bytes in version
// 1, else 4), and a Python dictionary {'descr': '<i4', 'fortran_order': False, 'shape': (8, 2), }.

namespace switchyard {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

struct Header {
  std::string_view text;       ///< the dictionary
  std::size_t data_begin = 0;  ///< offset in the file
};

std::uint32_t little_endian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) {
    value = value << 8U | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

Header split(std::string_view file, const std::string& path) {
  check(file.starts_with(kMagic) && file.size() >= 12, "{}: not a file in NumPy's format", path);
  const auto version = static_cast<unsigned char>(file[6]);
  check(version >= 1 && version <= 3, "{}: version {} of NumPy's format is not known", path,
        static_cast<int>(version));
  const std::size_t width = version == 1 ? 2 : 4;
  const std::size_t length = little_endian(file.substr(8, width));
  check(length <= file.size() - 8 - width, "{}: the header ends behind the file", path);
  return {file.substr(8 + width, length), 8 + width + length};
}

/// What follows 'key': in the dictionary, blanks left out.
std::string_view value_of(std::string_view text, std::string_view key, const std::string& path) {
  const std::size_t found = text.find(key);
  check(found != std::string_view::npos, "{}: the header lacks {}", path, key);
  text.remove_prefix(found + key.size());
  const std::size_t begin = text.find_first_not_of(": ");
  check(begin != std::string_view::npos, "{}: the header's {} has no value", path, key);
  return text.substr(begin);
}

Shape shape_of(std::string_view text, const std::string& path) {
  const auto fail = [&] { throw Error(path + ": the header's shape cannot be read"); };
  std::string_view rest = value_of(text, "'shape'", path);
  const std::size_t end = rest.find(')');
  if (!rest.starts_with('(') || end == std::string_view::npos) fail();
  rest = rest.substr(1, end - 1);
  std::vector<std::int64_t> sizes;
  double count = 1.0;
  while (!rest.empty()) {
    std::int64_t size = 0;
    const auto [stop, error] = std::from_chars(rest.data(), rest.data() + rest.size(), size);
    if (error != std::errc() || size < 0 || sizes.size() == Shape::kMaxRank) fail();
    sizes.push_back(size);
    count *= static_cast<double>(std::max<std::int64_t>(size, 1));
    rest.remove_prefix(static_cast<std::size_t>(stop - rest.data()));
    const std::size_t next = rest.find_first_not_of(", ");
    rest = next == std::string_view::npos ? std::string_view() : rest.substr(next);
  }
  check(count < static_cast<double>(kMaxFileBytes), "{}: the header's shape is too large", path);
  return Shape(std::span<const std::int64_t>(sizes));
}

constexpr std::string_view kTypes[] = {"|i1", "|u1", "<i2", "<u2", "<i4", "<u4",
                                       "<i8", "<u8", "<f2", "<f4", "<f8"};

std::string_view type_of(std::string_view text, const std::string& path) {
  const std::string_view value = value_of(text, "'descr'", path);
  for (const std::string_view type : kTypes) {
    if (value.size() > 4 && value.substr(1, 3) == type && value[4] == value[0]) return type;
  }
  throw Error(fmt::format("{}: expected numbers of 1 to 8 bytes, little-endian; the header says {}",
                          path, one_line(value.substr(0, value.find(',')), 40)));
}

}  // namespace

NpyArray read_npy(const std::filesystem::path& path) {
  std::string file = read_file(path);
  const std::string name = path.string();
  const Header header = split(file, name);
  check(value_of(header.text, "'fortran_order'", name).starts_with("False"),
        "{}: column-major arrays are not read", name);
  NpyArray array{std::string(type_of(header.text, name)), shape_of(header.text, name), {}};
  const auto bytes =
      static_cast<std::size_t>(array.shape.numel()) * static_cast<std::size_t>(array.type[2] - '0');
  check(file.size() - header.data_begin == bytes, "{}: {} needs {} bytes of data, the file has {}",
        name, array.shape, bytes, file.size() - header.data_begin);
  file.erase(0, header.data_begin);
  array.data = std::move(file);
  return array;
}

}  // namespace switchyard
