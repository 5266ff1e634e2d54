#include <fmt/format.h>

#include <algorithm>

#include "analysis/xray/budget.h"

namespace switchyard::xray {
namespace {

/// "softmax_forward:softmax_online float32 rows=2" is the rung softmax_online of the problem
/// "softmax_forward float32 rows=2".
struct Name {
  std::string problem, rung;
};
Name split(const std::string& run) {
  const std::size_t colon = run.find(':');
  const std::size_t blank = run.find(' ');
  if (colon == std::string::npos || blank == std::string::npos || colon > blank) return {run, ""};
  return {run.substr(0, colon) + run.substr(blank), run.substr(colon + 1, blank - colon - 1)};
}

std::string share(double ideal, double count) {
  return count == 0.0 ? "-" : fmt::format("{:.1f} %", 100.0 * ideal / count);
}

std::string row(const std::string& rung, const Measures& m) {
  const double moved = measure(m, "moved_bytes"), ratio = moved_over_compulsory(m);
  const double flops = measure(m, "flops") + measure(m, "tensor_flops");
  return fmt::format("| {} | {:.0f} | {:.0f} | {:.0f} | {} | {} | {:.0f} | {} | {} |\n", rung,
                     measure(m, "launches"), measure(m, "warp_instructions"), measure(m, "sectors"),
                     share(measure(m, "ideal_sectors"), measure(m, "sectors")),
                     ratio == 0.0 ? "-" : fmt::format("{:.2f}", ratio), measure(m, "turns"),
                     share(measure(m, "ideal_turns"), measure(m, "turns")),
                     moved == 0.0 ? "-" : fmt::format("{:.2f}", flops / moved));
}

}  // namespace

std::string to_markdown(const Budget& budget) {
  std::string text = fmt::format(
      "# {0}, counted\n\n"
      "Written by `switchyard xray {0} --write-budget docs/kernels/budgets/{0}.json`; not to be "
      "edited. A test runs\nthe same and fails where a rung exceeds [{0}.json]({0}.json). The "
      "X-ray counts the PTX of nvcc {1}; [what the counts mean](../../design/xray.md).\n\n"
      "**sectors**: of 32 bytes, that requests to global memory touch, caches aside, and how many "
      "of them were ideal. **moved**: bytes of\nsectors, sets and copies over the bytes that no "
      "kernel avoids. **turns**: of shared memory's banks.\n",
      budget.target, budget.toolkit);
  std::vector<std::pair<std::string, std::string>>
      problems;  // rungs of one come in turn with others'
  for (const auto& [run, measures] : budget.runs) {
    const Name name = split(run);
    auto found = std::find_if(problems.begin(), problems.end(),
                              [&](const auto& each) { return each.first == name.problem; });
    if (found == problems.end()) found = problems.insert(problems.end(), {name.problem, ""});
    found->second += row(name.rung, measures);
  }
  for (const auto& [problem, rows] : problems) {
    text += fmt::format(
        "\n## {}\n\n"
        "| rung | launches | warp instructions | sectors | ideal | moved | turns | ideal | flops a "
        "byte |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n{}",
        problem, rows);
  }
  return text;
}

}  // namespace switchyard::xray
