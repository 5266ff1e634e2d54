#include "kernels/api/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

namespace switchyard {
namespace {

/// One character of a text, or one byte that belongs to none.
struct Character {
  std::uint32_t code = 0;
  std::size_t bytes = 1;
  bool is_valid = false;
};

bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U; }

/// The character at the beginning of `text`, which is not empty.
Character first_character(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {lead, 1, true};
  const std::size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < bytes) return {lead};
  std::uint32_t code = lead & (0xFFU >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    if (!is_continuation(text[i])) return {lead};
    code = code << 6 | (static_cast<unsigned char>(text[i]) & 0x3FU);
  }
  const bool is_overlong = (bytes == 3 && code < 0x800) || (bytes == 4 && code < 0x10000);
  const bool is_surrogate = code >= 0xD800 && code <= 0xDFFF;
  if (is_overlong || is_surrogate || code > 0x10FFFF) return {lead};
  return {code, bytes, true};
}

/// Control characters of ASCII and of Latin-1, line and paragraph separators, and the marks that
/// change the direction of writing (Unicode 15, sections 23.1 and 23.2).
bool is_control(std::uint32_t code) {
  return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x2028 || code == 0x2029 ||
         code == 0x200E || code == 0x200F || (code >= 0x202A && code <= 0x202E) ||
         (code >= 0x2066 && code <= 0x2069);
}

std::string escaped(const Character& c) {
  switch (c.is_valid ? c.code : 0) {
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      return c.is_valid && c.code >= 0x80 ? fmt::format("\\u{:04x}", c.code)
                                          : fmt::format("\\x{:02x}", c.code);
  }
}

/// Calls visit(character, its bytes) along `text` until it says false. Returns whether it never
/// did.
template <class Visit>
bool each_character(std::string_view text, Visit&& visit) {
  while (!text.empty()) {
    const Character c = first_character(text);
    if (!visit(c, text.substr(0, c.bytes))) return false;
    text.remove_prefix(c.bytes);
  }
  return true;
}

}  // namespace

bool is_utf8(std::string_view bytes) {
  return each_character(bytes, [](const Character& c, std::string_view) { return c.is_valid; });
}

bool is_plain_text(std::string_view text) {
  return each_character(
      text, [](const Character& c, std::string_view) { return c.is_valid && !is_control(c.code); });
}

std::string one_line(std::string_view text, std::size_t max_bytes) {
  std::string line;
  line.reserve(std::min(text.size(), max_bytes));
  std::size_t taken = 0;
  each_character(text, [&](const Character& c, std::string_view bytes) {
    if (line.size() >= max_bytes) return false;
    if (c.is_valid && !is_control(c.code)) {
      line += bytes;
    } else {
      line += escaped(c);
    }
    taken += bytes.size();
    return true;
  });
  if (taken < text.size()) line += fmt::format("... ({} more bytes)", text.size() - taken);
  return line;
}

}  // namespace switchyard
