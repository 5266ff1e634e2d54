#include "engine/io/path_text.h"

#include <charconv>

#include "engine/core/check.h"
#include "kernels/api/text.h"

namespace switchyard {
namespace {

/// Bytes of the UTF-8 character at the beginning of `text`, 0 where there is none.
std::size_t character_bytes(std::string_view text) {
  for (std::size_t bytes = 1; bytes <= 4 && bytes <= text.size(); ++bytes) {
    if (is_utf8(text.substr(0, bytes))) return bytes;
  }
  return 0;
}

}  // namespace

std::string text_of_path(const std::filesystem::path& path) {
  std::string text;
  std::string_view rest = path.native();
  while (!rest.empty()) {
    const std::size_t bytes = character_bytes(rest);
    if (rest[0] == '\\') {
      text += "\\\\";
    } else if (bytes == 0) {
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(rest[0]));
    } else {
      text += rest.substr(0, bytes);
    }
    rest.remove_prefix(bytes == 0 ? 1 : bytes);
  }
  return text;
}

std::filesystem::path path_of_text(std::string_view text) {
  std::string path;
  for (std::string_view rest = text; !rest.empty();) {
    if (rest[0] != '\\') {
      path += rest[0];
      rest.remove_prefix(1);
    } else if (rest.starts_with("\\\\")) {
      path += '\\';
      rest.remove_prefix(2);
    } else {
      constexpr std::size_t kEscape = 4;  // \xff
      unsigned byte = 0;
      const bool is_escape =
          rest.size() >= kEscape && rest[1] == 'x' &&
          std::from_chars(rest.data() + 2, rest.data() + kEscape, byte, 16).ptr ==
              rest.data() + kEscape;
      check(is_escape, "path '{}': a backslash must be doubled, or begin a byte such as \\xff",
            text);
      path += static_cast<char>(byte);
      rest.remove_prefix(kEscape);
    }
  }
  return path;
}

}  // namespace switchyard
