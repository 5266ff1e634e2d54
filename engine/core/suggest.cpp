#include "engine/core/suggest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

namespace switchyard {
namespace {

constexpr std::size_t kLongestName = 100;  // bounds the work on whatever a file holds

/// `name` with the differences removed that do not matter.
std::string folded(std::string_view name) {
  std::string text(name);
  for (char& c : text) {
    if (c == '-') c = '_';
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  // Rows of the table: distances between the first i characters of `a` and the first j of `b`.
  std::vector<std::size_t> before;
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before = last;
    std::swap(last, row);
  }
  return last[b.size()];
}

std::string_view nearest_name(std::string_view given, std::span<const std::string> known) {
  std::string_view nearest;
  if (given.size() > kLongestName) return nearest;
  std::size_t least = std::max<std::size_t>(1, given.size() / 3) + 1;
  for (const std::string& name : known) {
    if (name.size() > kLongestName) continue;
    const std::size_t distance = edit_distance(folded(given), folded(name));
    if (distance >= least || distance >= name.size()) continue;
    least = distance;
    nearest = name;
  }
  return nearest;
}

std::string did_you_mean(std::string_view given, std::span<const std::string> known) {
  const std::string_view nearest = nearest_name(given, known);
  return nearest.empty() ? "" : fmt::format("; did you mean '{}'?", nearest);
}

std::string choice_problem(std::string_view given, std::initializer_list<std::string_view> known) {
  if (std::ranges::find(known, given) != known.end()) return "";
  const std::vector<std::string> names(known.begin(), known.end());
  const std::span others = std::span(names).first(names.size() - 1);
  return fmt::format("must be {} or {}, got '{}'{}", fmt::join(others, ", "), names.back(), given,
                     did_you_mean(given, names));
}

}  // namespace switchyard
