#pragma once

#include "analysis/report/json_field.h"

namespace switchyard {

/// Checks `spectra` of a run's results.json as docs/design/results.md states it. Error naming file
/// and field.
void check_spectra(const JsonField& spectra);

/// Checks the four half-widths of an estimate; null where unknown.
void check_error_bars(const JsonField& error);

}  // namespace switchyard
