#pragma once

#include <string_view>

// cmake/page_assets.cmake embeds the files of analysis/report/page and d3 here.
namespace switchyard::report_assets {

// NOLINTBEGIN(readability-identifier-naming): the names are the files', a dot made an underscore.
extern const std::string_view template_html;
extern const std::string_view style_css;
extern const std::string_view statistics_js;
extern const std::string_view charts_js;
extern const std::string_view figures_js;
extern const std::string_view surfaces_js;
extern const std::string_view verdicts_js;
extern const std::string_view spectra_js;
extern const std::string_view gain_js;
extern const std::string_view rho_js;
extern const std::string_view report_js;
extern const std::string_view bench_js;
extern const std::string_view start_js;
extern const std::string_view d3_js;
// NOLINTEND(readability-identifier-naming)

}  // namespace switchyard::report_assets
