#include "app/xray/source.h"

#include <algorithm>
#include <cstdint>

#include "engine/core/check.h"
#include "engine/io/files.h"

namespace switchyard {
namespace {

constexpr std::uint64_t kMostSourceBytes = std::uint64_t{16} << 20;

std::vector<std::string> split_lines(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const bool has_return = end > at && text[end - 1] == '\r';
    lines.push_back(text.substr(at, end - at - (has_return ? 1 : 0)));
    at = end + 1;
  }
  return lines;
}

}  // namespace

std::vector<std::string> xray_source(const std::string& file, const std::filesystem::path& ptx) {
  const std::filesystem::path beside = ptx.parent_path() / std::filesystem::path(file).filename();
  for (const std::filesystem::path& path : {std::filesystem::path(file), beside}) {
    try {
      if (file_type_at(path) != std::filesystem::file_type::regular) continue;
      return split_lines(read_file(path, kMostSourceBytes));
    } catch (const Error&) {
      continue;  // a source that cannot be read is one that is not at hand
    }
  }
  return {};
}

std::string without_blanks(const std::string& line) {
  const std::size_t first = line.find_first_not_of(" \t");
  if (first == std::string::npos) return "";
  return line.substr(first, line.find_last_not_of(" \t") + 1 - first);
}

}  // namespace switchyard
