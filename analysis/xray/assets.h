#pragma once

#include <string_view>

// cmake/page_assets.cmake embeds the files of analysis/xray/page here.
namespace switchyard::xray_assets {

// NOLINTBEGIN(readability-identifier-naming): the names are the files', a dot made an underscore.
extern const std::string_view xray_xray_css;
extern const std::string_view xray_document_js;
extern const std::string_view xray_figures_js;
extern const std::string_view xray_source_js;
extern const std::string_view xray_film_js;
extern const std::string_view xray_xray_js;
// NOLINTEND(readability-identifier-naming)

}  // namespace switchyard::xray_assets
