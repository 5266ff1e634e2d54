#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "analysis/report/json_field.h"

namespace switchyard {

// The checks state the schema of docs/design/results.md. Each throws Error naming file and field.

/// The numbers that the lengths of a run's arrays follow from.
struct RunShape {
  size_t classes = 0;
  size_t experts = 0;  ///< 0 for a model without a gate
};

/// Checks study.json and returns its runs' names: at least one, each a plain directory name.
std::vector<std::string> check_study(const JsonField& study);

/// Checks config.json (the fields that the report reads) and results.json.
RunShape check_run(const JsonField& config, const JsonField& results);

/// Checks one line of metrics.jsonl.
void check_epoch(const JsonField& epoch, const RunShape& shape);

}  // namespace switchyard
