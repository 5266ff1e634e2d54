#include "analysis/graph/dot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string>

#include "analysis/graph/groups.h"
#include "engine/core/check.h"
#include "engine/io/files.h"
#include "kernels/api/run_program.h"
#include "kernels/api/temporary_directory.h"

namespace switchyard::graph {
namespace {

/// Text within the quotes of a label.
std::string dot_string(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c == '\n' ? ' ' : c;
  }
  return result + "\"";
}

constexpr std::array<const char*, 3> kColours = {"#dbe9f9", "#fde3cf", "#e5dcf3"};

const char* colour(int pass) { return kColours[static_cast<std::size_t>(std::clamp(pass, 0, 2))]; }

/// What stands in the picture for each node: itself, or its group where nodes are folded.
struct Boxes {
  std::vector<int> of_node;  ///< number of the box
  std::vector<std::string> label;
  std::vector<const TracedNode*> first;  ///< a node of the box
  std::vector<int> count;                ///< of the operations in it
};

std::string node_label(const TracedNode& node, std::size_t index) {
  std::string text = node.label.empty() ? node.name : node.label;
  if (node.kind == TracedNode::Kind::kOperation) text = fmt::format("#{} {}", index + 1, node.name);
  if (!node.attributes.empty()) text += " (" + node.attributes + ")";
  for (const Snapshot& output : node.outputs) text += " " + output.shape.to_string();
  return text;
}

std::string path_of(const Groups& groups, int group) {
  std::string text;
  for (int g = group; g >= 0; g = groups.groups[static_cast<std::size_t>(g)].parent) {
    if (groups.groups[static_cast<std::size_t>(g)].parent < 0) break;  // the pass has a cluster
    text = groups.groups[static_cast<std::size_t>(g)].name + (text.empty() ? "" : "." + text);
  }
  return text;
}

Boxes make_boxes(const Trace& trace, bool fold) {
  const Groups groups = group_nodes(trace);
  Boxes boxes;
  std::vector<int> box_of_group(groups.groups.size(), -1);
  for (std::size_t i = 0; i < trace.nodes.size(); ++i) {
    const TracedNode& node = trace.nodes[i];
    const auto group = static_cast<std::size_t>(groups.of_node[i]);
    const bool folded = fold && groups.groups[group].parent >= 0;
    if (folded && box_of_group[group] >= 0) {
      boxes.of_node.push_back(box_of_group[group]);
      ++boxes.count[static_cast<std::size_t>(box_of_group[group])];
      continue;
    }
    boxes.of_node.push_back(static_cast<int>(boxes.label.size()));
    if (folded) box_of_group[group] = boxes.of_node.back();
    boxes.label.push_back(folded ? path_of(groups, groups.of_node[i]) : node_label(node, i));
    boxes.first.push_back(&node);
    boxes.count.push_back(1);
  }
  return boxes;
}

void append_boxes(const Boxes& boxes, int pass, std::string& text) {
  for (std::size_t box = 0; box < boxes.label.size(); ++box) {
    const TracedNode& node = *boxes.first[box];
    if (node.pass != pass) continue;
    const bool operation = node.kind == TracedNode::Kind::kOperation || boxes.count[box] > 1;
    std::string label = boxes.label[box];
    if (boxes.count[box] > 1) label += fmt::format(", {} nodes", boxes.count[box]);
    text += fmt::format("    n{} [label={} shape={} fillcolor=\"{}\"];\n", box, dot_string(label),
                        operation ? "box" : "ellipse", colour(pass));
  }
}

std::string edges(const Trace& trace, const Boxes& boxes) {
  std::set<std::string> lines;  // folded edges are drawn once
  for (std::size_t i = 0; i < trace.nodes.size(); ++i) {
    for (const TracedInput& input : trace.nodes[i].inputs) {
      const int from = boxes.of_node[static_cast<std::size_t>(input.node)];
      if (from == boxes.of_node[i]) continue;
      const bool grey = trace.nodes[i].kind == TracedNode::Kind::kSelection;
      lines.insert(fmt::format("  n{} -> n{}{};\n", from, boxes.of_node[i],
                               grey ? " [color=grey style=dashed]" : ""));
    }
  }
  std::string text;
  for (const std::string& line : lines) text += line;
  return text;
}

}  // namespace

std::string dot_text(const Trace& trace, const std::string& title, bool fold) {
  const Boxes boxes = make_boxes(trace, fold);
  int passes = 0;
  for (const TracedNode& node : trace.nodes) passes = std::max(passes, node.pass + 1);
  std::string text = fmt::format(
      "digraph {{\n  label={};\n  labelloc=t;\n  fontname=\"sans-serif\";\n"
      "  node [style=filled fontname=\"sans-serif\" fontsize=10];\n",
      dot_string(title));
  for (int pass = 0; pass < passes; ++pass) {
    text += fmt::format("  subgraph cluster_{} {{\n    label={};\n    color=grey;\n", pass,
                        dot_string(pass_name(pass)));
    append_boxes(boxes, pass, text);
    text += "  }\n";
  }
  return text + edges(trace, boxes) + "}\n";
}

void write_svg(const std::filesystem::path& path, const std::string& dot) {
  const TemporaryDirectory folder;
  const std::string text = folder / "graph.dot", svg = folder / "graph.svg";
  const std::string messages = folder / "messages";
  write_file_atomic(text, dot);
  const std::optional<int> code = run_program({"dot", "-Tsvg", "-o", svg, text}, messages);
  check(code == 0, "graph: --svg needs Graphviz's program dot, which {}",
        code ? "failed: " + read_file(messages).substr(0, 200) : "is not in PATH (apt: graphviz)");
  write_file_atomic(path, read_file(svg));
}

}  // namespace switchyard::graph
