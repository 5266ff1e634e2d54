#pragma once

#include <cstdint>
#include <vector>

#include "models/gate_output.h"

namespace switchyard {

/// The experts that answer each row of a gate, an image or a patch: the k chosen ones, or the one
/// of the greatest probability (the first of equal ones) where all experts answer.
struct ExpertChoices {
  std::int64_t k = 0;                 ///< experts a row; 0: no gate
  std::vector<std::int64_t> experts;  ///< [rows · k], ascending within a row

  std::int64_t rows() const { return k == 0 ? 0 : static_cast<std::int64_t>(experts.size()) / k; }
};

/// The choices of one batch; none for the empty output of a model without a gate.
ExpertChoices expert_choices(const GateOutput& gate);

/// How many rows have another set of experts in `b` than in `a`. Error where the two are of
/// different sizes.
std::int64_t changed_rows(const ExpertChoices& a, const ExpertChoices& b);

}  // namespace switchyard
