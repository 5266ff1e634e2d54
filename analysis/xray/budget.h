#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "analysis/xray/measures.h"

namespace switchyard::xray {

/// What the runs of a target may cost, as they did when it was written.
struct Budget {
  std::string toolkit;  ///< version of the nvcc whose code was counted: another one's differs
  std::string target;
  /// By name, in the ladder's order; those that refused are left out.
  std::vector<std::pair<std::string, Measures>> runs;
};

/// The costs of the document's runs. Errors: Error naming a run that failed or disagreed.
Budget budget_of(const nlohmann::json& document, const std::string& toolkit);

/// A line for each measure of the document that exceeds the budget (launches, waits,
/// warp_instructions, sectors, turns, local_bytes, moved bytes over compulsory ones), for each run
/// that the budget lacks, that failed or, where the target is the budget's, that it alone has.
std::vector<std::string> excesses(const nlohmann::json& document, const Budget& budget);

/// Reads and writes a budget: JSON with a line for each run. Errors: Error naming file and field.
Budget read_budget(const std::filesystem::path& file);
std::string to_json_lines(const Budget& budget);

/// The same as a page: a table for each problem (kernel, dtype, sizes) with a row for each rung.
std::string to_markdown(const Budget& budget);

}  // namespace switchyard::xray
