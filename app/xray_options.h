#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "app/xray_report.h"
#include "kernels/xray/xray.h"

namespace switchyard {

inline constexpr const char* kXrayArchitecture = "sm_90";

/// Reads "X", "X,Y" or "X,Y,Z", whole numbers of at least `least`, which those have that are not
/// said. Errors: UsageError naming `option`.
kernels::Dim3 parse_extent(const std::string& option, const std::string& text, unsigned least = 1);

/// Adds --arch, what a .cu file is compiled for.
void add_architecture_option(CLI::App& command, std::string& architecture);
/// The PTX that a .ptx file holds, or that NVIDIA's compiler makes of a .cu file. Errors:
/// UsageError for other files; Error for one that cannot be read or compiled.
std::string read_ptx(const std::string& file, const std::string& architecture);

/// What a user says of the page.
struct XrayPageOptions {
  std::string html;  ///< where it is to be written; empty: nowhere
  std::string film_block = "0,0,0";
  std::uint32_t film_warp = 0;
};
void add_page_options(CLI::App& command, XrayPageOptions& options);
/// The warp to film where there is a page that shows it.
std::optional<kernels::xray::FilmOptions> film_options(const XrayPageOptions& options);
/// Writes the page of a file's one launch.
void write_xray_page(const XrayPageOptions& options, const std::string& file,
                     const kernels::xray::LaunchReport& report, const std::vector<XrayLine>& lines,
                     bool checked);

}  // namespace switchyard
