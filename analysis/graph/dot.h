#pragma once

#include <filesystem>
#include <string>

#include "analysis/graph/trace.h"

namespace switchyard::graph {

/// The graph in Graphviz's language: a cluster per pass, boxes of operations, ellipses of leaves,
/// the edge of a selection grey and dashed. `fold`: a box per layer, and one for what each call of
/// a rule made, in place of their nodes.
std::string dot_text(const Trace& trace, const std::string& title, bool fold);

/// Draws `dot` as SVG with Graphviz's program dot. Error where that is missing or fails.
void write_svg(const std::filesystem::path& path, const std::string& dot);

}  // namespace switchyard::graph
