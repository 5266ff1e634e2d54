#pragma once

#include "analysis/report/json_field.h"

namespace switchyard {

/// Checks `spectra` of a run's results.json as docs/design/results.md states it. Error naming file
/// and field.
void check_spectra(const JsonField& spectra);

}  // namespace switchyard
