#include "analysis/graph/source.h"

#include <algorithm>

#include "engine/io/files.h"

namespace switchyard::graph {
namespace {

constexpr std::uint64_t kLargestSource = 1'000'000;
constexpr int kMostLines = 120;

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

/// Says whether a function can begin here: in this tree nothing but functions, their comments and
/// closing braces stands at the margin.
bool at_margin(std::string_view line) {
  return !line.empty() && line[0] != ' ' && line[0] != '}' && line[0] != '#';
}

/// The lines around `line`, from where the function begins (its comment included) to the brace at
/// the margin that ends it.
Excerpt cut(std::string file, int line, std::string_view text) {
  Excerpt result{.file = std::move(file), .line = line};
  const std::vector<std::string_view> lines = lines_of(text);
  if (line < 1 || line > static_cast<int>(lines.size())) return result;
  int first = line;
  const auto at = [&](int number) { return lines[static_cast<std::size_t>(number) - 1]; };
  while (first > 1 && !at_margin(at(first))) --first;
  while (first > 1 && at_margin(at(first - 1))) --first;
  int last = line;
  const int end = std::min(static_cast<int>(lines.size()), first + kMostLines);
  while (last < end && !at(last).starts_with('}')) ++last;
  result.first_line = first;
  for (int number = first; number <= last; ++number) {
    result.text += at(number);
    result.text += '\n';
  }
  return result;
}

}  // namespace

Excerpt excerpt(SourcePlace place) {
  const std::string_view file = place.file;
  for (const auto& [path, text] : embedded_sources()) {
    if (file.ends_with(path)) return cut(std::string(path), place.line, text);
  }
  const std::string name(file.substr(file.rfind('/') + 1));
  try {
    if (!file.empty()) return cut(name, place.line, read_file(file, kLargestSource));
  } catch (const Error&) {  // the program is not run where it was compiled
  }
  return {.file = name, .line = place.line};
}

}  // namespace switchyard::graph
