#include "kernels/cuda/architectures.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <vector>

namespace switchyard::kernels {
namespace {

struct Architecture {
  int number = 0;        // 10 * major + minor; 0: not a number
  bool exact = false;    // a suffix as in "90a": nothing but this one
  bool has_code = true;  // machine code
  bool has_ptx = true;

  bool runs_on(int capability) const {
    if (number == 0) return true;
    if (exact) return capability == number;
    const bool code = number / 10 == capability / 10 && number <= capability;
    return (has_code && code) || (has_ptx && number <= capability);
  }
};

Architecture parse(std::string_view text) {
  Architecture parsed;
  const auto dash = std::min(text.find('-'), text.size());
  parsed.has_code = text.substr(dash) != "-virtual";
  parsed.has_ptx = text.substr(dash) != "-real";
  const std::string_view head = text.substr(0, dash);
  const auto [end, error] = std::from_chars(head.data(), head.data() + head.size(), parsed.number);
  parsed.exact = error == std::errc() && end != head.data() + head.size();
  return parsed;
}

std::vector<Architecture> parse_list(std::string_view text) {
  std::vector<Architecture> list;
  while (!text.empty()) {
    const auto end = std::min(text.find(','), text.size());
    if (end > 0) list.push_back(parse(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return list;
}

std::string version(int number) { return fmt::format("{}.{}", number / 10, number % 10); }

}  // namespace

bool runs_on(std::string_view architectures, int major, int minor) {
  const auto list = parse_list(architectures);
  return std::any_of(list.begin(), list.end(),
                     [&](const Architecture& a) { return a.runs_on(10 * major + minor); });
}

std::string unsupported_reason(std::string_view architectures, int major, int minor) {
  if (runs_on(architectures, major, minor)) return "";
  std::vector<std::string> names;
  int oldest = 0;
  for (const Architecture& a : parse_list(architectures)) {
    if (std::find(names.begin(), names.end(), version(a.number)) == names.end()) {
      names.push_back(version(a.number));
    }
    oldest = oldest == 0 ? a.number : std::min(oldest, a.number);
  }
  return fmt::format("compute capability {}.{} is {}: this build is compiled for {}", major, minor,
                     10 * major + minor < oldest ? "too old" : "not covered",
                     fmt::join(names, ", "));
}

}  // namespace switchyard::kernels
