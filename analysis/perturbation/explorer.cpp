#include "analysis/perturbation/explorer.h"

#include <fmt/format.h>

#include <algorithm>

namespace switchyard {

std::string_view name(Subset subset) { return subset == Subset::kTrain ? "train" : "test"; }

Explorer::Explorer(std::span<const Tensor> parameters, ImageProbe train, ImageProbe test,
                   Watch watch, PointJournal* journal)
    : parameters_(parameters.begin(), parameters.end()),
      probes_{std::move(train), std::move(test)},
      watch_(std::move(watch)),
      journal_(journal),
      guard_(parameters),
      start_{probes_[0].values(), probes_[1].values()} {}

PointValues Explorer::values(Subset subset, const std::string& point, std::span<const Step> steps) {
  if (std::ranges::all_of(steps, [](const Step& step) { return step.length == 0.0; })) {
    return start(subset);
  }
  const std::string key = fmt::format("{}/{}", point, name(subset));
  if (journal_ != nullptr) {
    if (const auto known = journal_->find(key)) return *known;
  }
  if (watch_ && !watch_(key)) throw Interrupted();
  guard_.move_to(steps);
  const PointValues found = probe(subset).values();
  guard_.restore();
  if (journal_ != nullptr) journal_->add(key, found);
  return found;
}

ParameterVector Explorer::gradient(Subset subset, std::span<const Step> steps) {
  if (steps.empty()) return probe(subset).gradient();
  guard_.move_to(steps);
  ParameterVector found = probe(subset).gradient();
  guard_.restore();
  return found;
}

}  // namespace switchyard
