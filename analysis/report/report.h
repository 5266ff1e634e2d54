#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace switchyard {

/// Reads a study directory (or a single run directory) and writes `report.html` into it: one page
/// that loads nothing from anywhere. docs/design/results.md describes the files. The page is
/// written beside its place and renamed, so that an earlier report survives a failure. Throws Error
/// with one line that names the file, and the field where it is one.
void write_report(const std::filesystem::path& study_dir);

/// The page for `study` as `read_study` returns it: template, style, d3, scripts and data in one
/// text. Data cannot end its script element or start a tag, whatever its strings contain.
std::string render_report(const nlohmann::json& study);

/// A page of the same template with other contents: `build` holds what draws them, scripts after
/// those for numbers and charts; the last defines buildReport(root, data). `style` follows the
/// template's own.
std::string render_page(std::string_view title, const nlohmann::json& data,
                        const std::vector<std::string_view>& build, std::string_view style = {});

}  // namespace switchyard
