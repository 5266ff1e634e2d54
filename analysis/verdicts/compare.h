#pragma once

#include <optional>
#include <string>

#include "analysis/verdicts/model_groups.h"
#include "analysis/verdicts/run_figures.h"
#include "analysis/verdicts/verdict.h"

namespace switchyard {

/// What two models are compared in.
struct Quantity {
  std::string name;  ///< "accuracy on test images"
  Scale scale = Scale::kDifference;
  Figure figure;
};

/// Sets `quantity` of `group` beside that of `baseline` with the same seed, or on its own where
/// that is null: seeds and values, undecided. Nothing where no seed has it.
std::optional<Comparison> compare(const ModelGroup& group, const ModelGroup* baseline,
                                  const Quantity& quantity);

}  // namespace switchyard
