#pragma once

#include "analysis/report/json_field.h"

namespace switchyard {

/// The schema of `perturbation` in docs/design/results.md. Throws Error naming file and field.
/// Files of earlier versions have losses along the first eigenvector and random directions alone.
void check_perturbation(const JsonField& perturbation);

}  // namespace switchyard
