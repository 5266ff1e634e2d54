#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "app/xray/run.h"
#include "kernels/xray/film.h"

namespace switchyard {

/// What a user says of the page.
struct XrayPageOptions {
  std::string html;  ///< where it is to be written; empty: nowhere
  std::string film_block = "0,0,0";
  std::uint32_t film_warp = 0;
};

void add_xray_page_options(CLI::App& command, XrayPageOptions& options);

/// The warp to film where there is a page that shows it. Errors: UsageError for a block that cannot
/// be read.
std::optional<kernels::xray::FilmOptions> film_options(const XrayPageOptions& options);

/// Writes the page of a document and of the runs that it is of. `ptx`: as in run_json(). Errors:
/// those of writing a file.
void write_xray_page(const std::string& html, nlohmann::json document,
                     const std::vector<XrayRun>& runs, const std::filesystem::path& ptx);

}  // namespace switchyard
