#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "kernels/workbench/resources.h"

namespace switchyard {

/// What the kernels of one build ask of a GPU, and the compiler that said so.
struct ResourceTable {
  std::string toolkit;                                       ///< "13.0"
  std::vector<kernels::workbench::KernelResources> kernels;  ///< by source, name, architecture
};

/// Reads the reports in the folder of nvcc's objects (cmake/keep_ptxas_report.sh). Errors: Error
/// where it holds none.
ResourceTable read_reports(const std::filesystem::path& objects, const std::string& toolkit);

/// The checked-in table: JSON, a line a kernel. Errors: Error naming the file.
ResourceTable read_table(const std::filesystem::path& file);
std::string to_json_lines(const ResourceTable& table);

/// Where `now` is worse than `before`, a line each: a kernel that spills, uses more local or shared
/// memory, fits a multiprocessor fewer times, or is in only one of the two.
std::vector<std::string> regressions(const ResourceTable& before, const ResourceTable& now);

/// A table a source, a row a kernel with all that it is instantiated for.
std::string to_markdown(const ResourceTable& table);
/// The same as text; `each_instantiation`: a row for each.
std::string to_text(const ResourceTable& table, bool each_instantiation);

}  // namespace switchyard
