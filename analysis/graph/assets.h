#pragma once

#include <string_view>

// cmake/page_assets.cmake embeds the files of analysis/graph/page here.
namespace switchyard::graph_assets {

// NOLINTBEGIN(readability-identifier-naming): the names are the files', a dot made an underscore.
extern const std::string_view graph_graph_html;
extern const std::string_view graph_graph_css;
extern const std::string_view graph_layout_js;
extern const std::string_view graph_camera_js;
extern const std::string_view graph_far_js;
extern const std::string_view graph_view_js;
extern const std::string_view graph_panes_js;
extern const std::string_view graph_walk_js;
// NOLINTEND(readability-identifier-naming)

}  // namespace switchyard::graph_assets
