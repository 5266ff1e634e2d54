#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace switchyard {

/// Prints what a study found on stdout: a table of its finished runs and where the report is, or
/// all results with --json.
void print_summary(const std::filesystem::path& directory, const std::vector<std::string>& runs);

}  // namespace switchyard
