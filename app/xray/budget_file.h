#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>

namespace switchyard {

/// Compares the document with the budget, prints what exceeds it, a line each, and returns the exit
/// code: 77, which tests take for skipped, where the budget is of another nvcc. Errors: Error with
/// the first excess and how to write the budget anew; Error where the tables beside the budget are
/// not of it.
int compare_with_budget(const nlohmann::json& document, const std::filesystem::path& file);

/// Writes the budget FILE.json, and FILE.md with its tables.
int write_budget(const nlohmann::json& document, const std::filesystem::path& file);

}  // namespace switchyard
