#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "kernels/workbench/resources.h"

namespace switchyard {

/// Holds what the kernels of one build ask of a GPU, and which compiler said so.
struct ResourceTable {
  std::string toolkit;                                       ///< "13.0"
  std::vector<kernels::workbench::KernelResources> kernels;  ///< by source, name, architecture
};

/// Reads the reports in the folder of nvcc's objects (cmake/keep_ptxas_report.sh). Errors: Error
/// where it holds none.
ResourceTable read_reports(const std::filesystem::path& objects, const std::string& toolkit);

/// Reads and writes the checked-in table: JSON with a line for each kernel. Errors: Error naming
/// the file.
ResourceTable read_table(const std::filesystem::path& file);
std::string to_json_lines(const ResourceTable& table);

/// Returns a line for each kernel that is worse in `now` than in `before`: it spills, uses more
/// local or shared memory, fits a multiprocessor fewer times, or is in only one of the two.
std::vector<std::string> regressions(const ResourceTable& before, const ResourceTable& now);

/// Writes a table for each source file, with a row for each kernel and all that it is instantiated
/// for.
std::string to_markdown(const ResourceTable& table);
/// Writes the same as plain text; with `each_instantiation` each of them gets a row.
std::string to_text(const ResourceTable& table, bool each_instantiation);

}  // namespace switchyard
