#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace switchyard {

// A file name is any bytes but '/' and NUL; JSON and a terminal take UTF-8 alone. These two carry
// any path through a JSON file and back.

/// `path` as UTF-8: a backslash doubled, a byte that is no part of UTF-8 as "\xff".
std::string text_of_path(const std::filesystem::path& path);

/// The reverse: path_of_text(text_of_path(p)) is p. Error where `text` holds another backslash.
std::filesystem::path path_of_text(std::string_view text);

}  // namespace switchyard
