#include "analysis/graph/groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace switchyard::graph {
namespace {

using Path = std::vector<std::string>;

/// "layer1.0.conv1.weight" -> layer1, 0, conv1.
Path module_of(const std::string& label) {
  Path path;
  std::size_t begin = 0;
  for (std::size_t dot = label.find('.'); dot != std::string::npos; dot = label.find('.', begin)) {
    path.push_back(label.substr(begin, dot - begin));
    begin = dot + 1;
  }
  return path;
}

Path common_prefix(const Path& a, const Path& b) {
  const auto [end, other] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return {a.begin(), end};
}

/// The layer of each node of the forward pass; empty for others.
std::vector<Path> layers(const Trace& trace) {
  std::vector<Path> result(trace.nodes.size());
  std::vector<bool> placed(trace.nodes.size(), false);
  for (std::size_t i = 0; i < trace.nodes.size(); ++i) {
    const TracedNode& node = trace.nodes[i];
    if (node.pass != 0) continue;
    if (node.kind == TracedNode::Kind::kLeaf) {
      result[i] = module_of(node.label);
      continue;
    }
    bool any_parameter = false;
    bool any_other = false;
    Path of_parameters;
    Path of_others;
    for (const TracedInput& input : node.inputs) {
      const TracedNode& from = trace.nodes[static_cast<std::size_t>(input.node)];
      const Path& path = result[static_cast<std::size_t>(input.node)];
      if (from.kind == TracedNode::Kind::kConstant) continue;
      const bool parameter = from.kind == TracedNode::Kind::kLeaf && !path.empty();
      bool& any = parameter ? any_parameter : any_other;
      Path& common = parameter ? of_parameters : of_others;
      common = any ? common_prefix(common, path) : path;
      any = true;
    }
    result[i] = any_parameter ? of_parameters : of_others;
    for (const TracedInput& input : node.inputs) {  // a constant lies beside its first reader
      const auto from = static_cast<std::size_t>(input.node);
      if (trace.nodes[from].kind == TracedNode::Kind::kConstant && !placed[from]) {
        result[from] = result[i];
        placed[from] = true;
      }
    }
  }
  return result;
}

/// The forward operation that a node goes back to.
std::size_t origin(const Trace& trace, std::size_t node) {
  while (trace.nodes[node].pass > 0 && trace.nodes[node].parent >= 0) {
    node = static_cast<std::size_t>(trace.nodes[node].parent);
  }
  return node;
}

}  // namespace

std::string pass_name(int pass) {
  switch (pass) {
    case 0:
      return "forward";
    case 1:
      return "backward";
    case 2:
      return "double-backward";
    default:
      return fmt::format("pass {}", pass);
  }
}

Groups group_nodes(const Trace& trace) {
  const std::vector<Path> layer = layers(trace);
  Groups result;
  std::map<std::pair<int, std::string>, int> known;
  const auto enter = [&](int parent, const std::string& name) {
    const auto [found, is_new] =
        known.try_emplace({parent, name}, static_cast<int>(result.groups.size()));
    if (is_new) result.groups.push_back({.name = name, .parent = parent});
    return found->second;
  };
  for (std::size_t i = 0; i < trace.nodes.size(); ++i) {
    const TracedNode& node = trace.nodes[i];
    int group = enter(-1, pass_name(node.pass));
    for (const std::string& part : layer[origin(trace, i)]) group = enter(group, part);
    if (node.parent >= 0) {
      const TracedNode& parent = trace.nodes[static_cast<std::size_t>(node.parent)];
      group = enter(group, fmt::format("rule of {} #{}", parent.name, node.parent + 1));
    }
    result.of_node.push_back(group);
  }
  return result;
}

}  // namespace switchyard::graph
