#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace switchyard {

/// Returns whether `bytes` are UTF-8 as Unicode 15, table 3-7 has it: no overlong form, no
/// surrogate.
bool is_utf8(std::string_view bytes);

/// Returns whether `text` is UTF-8 without any character that moves a terminal's cursor, starts an
/// escape sequence, breaks a line or reverses the direction of writing.
bool is_plain_text(std::string_view text);

/// `text` with what is_plain_text() forbids escaped, so that a message that quotes a file stays one
/// line and a terminal takes it for nothing else: "\n", "\x1b", "\u202e", "\xff" for a byte that is
/// no UTF-8. Cut after about `max_bytes`, and then says how many bytes are left out.
std::string one_line(std::string_view text, std::size_t max_bytes = 8192);

}  // namespace switchyard
