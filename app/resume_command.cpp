#include "app/resume_command.h"

#include <errno.h>
#include <fmt/format.h>

#include <algorithm>

#include "kernels/api/text.h"

namespace switchyard {
namespace {

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("_-./:=+,@%").find(c) != std::string_view::npos;
}

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7F;
}

/// `word` as one word of a shell.
std::string shell_quoted(const std::string& word) {
  if (!word.empty() && std::ranges::all_of(word, is_plain)) return word;
  const bool prints = is_plain_text(word);
  std::string quoted = prints ? "'" : "$'";
  for (const char c : word) {
    if (prints) {
      quoted += c == '\'' ? std::string(R"('\'')") : std::string(1, c);
    } else if (c == '\'' || c == '\\') {
      quoted += {'\\', c};
    } else if (is_control(c) || static_cast<unsigned char>(c) >= 0x80) {
      quoted += fmt::format("\\{:03o}", static_cast<unsigned char>(c));
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

}  // namespace

std::string resume_command(std::string_view subcommand, const std::filesystem::path& directory) {
  const std::string& name = directory.native();
  return fmt::format("{} {} --resume --out {}", shell_quoted(::program_invocation_name), subcommand,
                     shell_quoted(name.starts_with('-') ? "./" + name : name));
}

}  // namespace switchyard
