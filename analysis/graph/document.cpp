#include "analysis/graph/document.h"

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "analysis/graph/groups.h"
#include "analysis/graph/products.h"
#include "analysis/graph/source.h"

namespace switchyard::graph {
namespace {

using nlohmann::json;

/// JSON has no number that is not finite: those are text.
json number(double x) {
  if (std::isfinite(x)) return x;
  return std::isnan(x) ? "nan" : (x > 0.0 ? "inf" : "-inf");
}

json numbers(const std::vector<double>& values) {
  json list = json::array();
  for (const double x : values) list.push_back(number(x));
  return list;
}

json sizes(const Shape& shape) {
  json list = json::array();
  for (const std::int64_t size : shape) list.push_back(size);
  return list;
}

/// Four significant digits, for what is drawn and not read.
double rounded(double x) {
  if (x == 0.0 || !std::isfinite(x)) return x;
  const double scale = std::pow(10.0, 3.0 - std::floor(std::log10(std::abs(x))));
  return std::isfinite(scale) ? std::round(x * scale) / scale : x;
}

json shot_json(const Snapshot& shot) {
  json result = {{"shape", sizes(shot.shape)}, {"dtype", name(shot.dtype)}};
  if (!shot.defined) return result;
  if (!shot.values.empty()) {
    result["values"] = numbers(shot.values);
    return result;
  }
  result["least"] = number(rounded(shot.least));
  result["greatest"] = number(rounded(shot.greatest));
  result["mean"] = number(rounded(shot.mean));
  result["norm"] = number(rounded(shot.norm));
  if (shot.cells.empty()) return result;
  json cells = json::array();
  for (const double cell : shot.cells) cells.push_back(number(rounded(cell)));
  result["cells"] = {{"rows", shot.rows}, {"columns", shot.columns}, {"means", cells}};
  return result;
}

json shots_json(const std::vector<Snapshot>& shots) {
  json list = json::array();
  for (const Snapshot& shot : shots) {
    list.push_back(shot.defined || shot.shape.rank() > 0 ? shot_json(shot) : json());
  }
  return list;
}

void add_kernels(json& target, const std::vector<KernelCall>& calls) {
  if (calls.empty()) return;
  double flops = 0.0;
  double bytes = 0.0;
  json names = json::array();
  for (const KernelCall& call : calls) {
    flops += call.work.flops;
    bytes += call.work.bytes;
    names.push_back(call.kernel + "·" + call.rung);
  }
  target["kernels"] = names;
  if (flops > 0.0) target["flops"] = flops;
  target["moved"] = bytes;
}

const char* kind_name(TracedNode::Kind kind) {
  switch (kind) {
    case TracedNode::Kind::kLeaf:
      return "leaf";
    case TracedNode::Kind::kConstant:
      return "constant";
    case TracedNode::Kind::kSelection:
      return "selection";
    default:
      return "operation";
  }
}

/// Numbers rules by where they are written.
class Rules {
 public:
  int number_of(SourcePlace place) {
    if (place.line == 0) return -1;
    const auto [found, is_new] =
        known_.try_emplace({place.file, place.line}, static_cast<int>(list_.size()));
    if (!is_new) return found->second;
    const Excerpt text = excerpt(place);
    list_.push_back({{"file", text.file},
                     {"line", text.line},
                     {"first_line", text.first_line},
                     {"text", text.text}});
    return found->second;
  }
  const json& list() const { return list_; }

 private:
  std::map<std::pair<std::string, int>, int> known_;
  json list_ = json::array();
};

json node_json(const TracedNode& node, int group, Rules& rules) {
  json result = {{"op", node.name}, {"pass", node.pass}, {"group", group}};
  if (node.kind != TracedNode::Kind::kOperation) result["kind"] = kind_name(node.kind);
  if (!node.label.empty()) result["label"] = node.label;
  if (node.parent >= 0) result["parent"] = node.parent;
  if (node.call >= 0) result["call"] = node.call;
  if (!node.attributes.empty()) result["attributes"] = node.attributes;
  if (const int rule = rules.number_of(node.rule); rule >= 0) result["rule"] = rule;
  json inputs = json::array();
  for (const TracedInput& input : node.inputs) {
    inputs.push_back({input.node, input.output, input.saved ? 1 : 0});
  }
  if (!inputs.empty()) result["inputs"] = inputs;
  result["outputs"] = shots_json(node.outputs);
  if (node.outputs_saved) result["outputs_saved"] = true;
  if (node.saved_bytes > 0) result["saved_bytes"] = node.saved_bytes;
  if (node.held_bytes > 0) result["held_bytes"] = node.held_bytes;
  if (node.released) result["released"] = true;
  add_kernels(result, node.kernels);
  return result;
}

json call_json(const TracedCall& call) {
  json result = {{"node", call.node},
                 {"pass", call.pass},
                 {"cotangents", shots_json(call.cotangents)},
                 {"gradients", shots_json(call.gradients)}};
  add_kernels(result, call.kernels);
  return result;
}

json bill_json(const PassBill& bill) {
  return {{"name", bill.name},
          {"kernels", bill.kernels},
          {"flops", bill.flops},
          {"moved", bill.bytes},
          {"seconds", bill.seconds},
          {"held_bytes", bill.held_bytes},
          {"peak_bytes", bill.peak_bytes}};
}

json walk_json(const Slope& walk) {
  json result = {{"t", numbers(walk.t)},         {"loss", numbers(walk.loss)},
                 {"slope", numbers(walk.slope)}, {"curvature", number(walk.curvature)},
                 {"steps", numbers(walk.steps)}, {"errors", numbers(walk.errors)}};
  if (!walk.pieces.empty()) result["pieces"] = walk.pieces;
  return result;
}

json named(const Problem& problem, const std::vector<Tensor>& values, const SnapshotSizes& sizes) {
  json result = json::object();
  for (std::size_t i = 0; i < values.size(); ++i) {
    result[problem.inputs[i].name] = shot_json(snapshot(values[i], sizes));
  }
  return result;
}

}  // namespace

json document(const Problem& problem, int order, const TracedProblem& traced,
              const SnapshotSizes& sizes) {
  const Trace& trace = traced.trace;
  const Groups groups = group_nodes(trace);
  Rules rules;
  json nodes = json::array();
  for (std::size_t i = 0; i < trace.nodes.size(); ++i) {
    nodes.push_back(node_json(trace.nodes[i], groups.of_node[i], rules));
  }
  json calls = json::array();
  for (const TracedCall& call : trace.calls) calls.push_back(call_json(call));
  json passes = json::array();
  for (const PassBill& bill : trace.passes) passes.push_back(bill_json(bill));
  json boxes = json::array();
  for (const Group& group : groups.groups) boxes.push_back({group.name, group.parent});
  json result = {{"title", problem.title}, {"about", problem.about},
                 {"order", order},         {"loss", number(traced.loss)},
                 {"nodes", nodes},         {"calls", calls},
                 {"rules", rules.list()},  {"groups", boxes},
                 {"passes", passes},       {"held_elsewhere", trace.held_elsewhere}};
  if (order >= 1) result["gradient"] = named(problem, traced.gradient, sizes);
  if (order >= 2) result["product"] = named(problem, traced.product, sizes);
  return result;
}

void add_walk(json& document, const Problem& problem, const std::vector<Tensor>& product,
              const WalkPlan& plan) {
  document["walk"] = walk_json(walk_along(problem, product, plan));
}

void add_products(json& document, const Problem& problem) {
  json roads = json::array();
  for (const ProductBill& bill : compare_roads(problem)) {
    roads.push_back(bill_json(bill.cost));
    roads.back()["difference"] = number(bill.difference);
  }
  document["products"] = roads;
}

}  // namespace switchyard::graph
