#include "analysis/perturbation/expert_choices.h"

#include <algorithm>

#include "engine/core/check.h"

namespace switchyard {
namespace {

/// The column of the greatest entry of each row of p [N, E].
std::vector<std::int64_t> arg_max(const Tensor& p) {
  const std::vector<double> values = p.to_doubles();
  const std::int64_t width = p.size(1);
  std::vector<std::int64_t> columns;
  for (auto row = values.begin(); row != values.end(); row += width) {
    columns.push_back(std::max_element(row, row + width) - row);
  }
  return columns;
}

}  // namespace

ExpertChoices expert_choices(const GateOutput& gate) {
  ExpertChoices choices;
  if (!gate.probabilities.defined()) return choices;
  if (!gate.indices.defined()) return {.k = 1, .experts = arg_max(gate.probabilities)};
  choices.k = gate.indices.size(1);
  const Tensor indices = gate.indices.to(Device::kCpu);
  const std::span<const std::int64_t> all = indices.span<std::int64_t>();
  choices.experts.assign(all.begin(), all.end());
  // The order within a row says whose logit is larger, not who answers.
  for (auto row = choices.experts.begin(); row != choices.experts.end(); row += choices.k) {
    std::sort(row, row + choices.k);
  }
  return choices;
}

std::int64_t changed_rows(const ExpertChoices& a, const ExpertChoices& b) {
  check(a.k == b.k && a.experts.size() == b.experts.size(),
        "[expert choices] {} rows of {} experts against {} of {}", a.rows(), a.k, b.rows(), b.k);
  std::int64_t changed = 0;
  for (std::size_t row = 0; row < a.experts.size(); row += static_cast<std::size_t>(a.k)) {
    const auto first = a.experts.begin() + static_cast<std::ptrdiff_t>(row);
    changed +=
        !std::equal(first, first + a.k, b.experts.begin() + static_cast<std::ptrdiff_t>(row));
  }
  return changed;
}

}  // namespace switchyard
