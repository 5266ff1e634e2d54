#include <array>
#include <initializer_list>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "analysis/graph/assets.h"
#include "analysis/graph/document.h"
#include "analysis/report/fill_page.h"
#include "engine/core/check.h"

namespace switchyard::graph {
namespace {

using nlohmann::json;

/// A list of objects as names of columns and rows of values, which is shorter where it is long.
json tabulated(const json& objects) {
  json columns = json::array();
  std::map<std::string, std::size_t> place;
  for (const json& object : objects) {
    for (const auto& [name, value] : object.items()) {
      if (place.try_emplace(name, columns.size()).second) columns.push_back(name);
    }
  }
  json rows = json::array();
  for (const json& object : objects) {
    json row = json::array();
    for (const auto& [name, value] : object.items()) {
      while (row.size() <= place[name]) row.push_back(nullptr);
      row[place[name]] = value;
    }
    rows.push_back(row);
  }
  return {{"columns", columns}, {"rows", rows}};
}

/// Replaces snapshots, and lists of kernels' names, by numbers into lists without repetition: the
/// gradient that leaves one rule is the cotangent that arrives at another. Snapshots lose the
/// fields that are left out.
class Pool {
 public:
  explicit Pool(std::initializer_list<const char*> left_out = {}) : left_out_(left_out) {}

  json number_of(json value) {
    if (value.is_null()) return value;
    if (value.is_object()) {
      for (const char* const field : left_out_) value.erase(field);
    }
    const auto [found, is_new] = known_.try_emplace(value.dump(), list_.size());
    if (is_new) list_.push_back(value);
    return found->second;
  }
  void replace_all(json& list) {
    for (json& entry : list) entry = number_of(entry);
  }
  const json& list() const { return list_; }

 private:
  std::vector<const char*> left_out_;  // fields
  std::map<std::string, std::size_t> known_;
  json list_ = json::array();
};

/// What a page leaves out of tensors' numbers, step by step, where it would be too large.
constexpr std::array<std::initializer_list<const char*>, 4> kLeftOut = {{
    {},
    {"cells"},
    {"cells", "least", "greatest", "mean"},
    {"cells", "least", "greatest", "mean", "norm", "values"},
}};

/// A leaf has what came out for it: its gradient and its part of H v.
void add_results(const json& document, json& node, Pool& shots) {
  if (node.value("kind", "") != "leaf") return;
  for (const char* const part : {"gradient", "product"}) {
    if (!document.contains(part)) continue;
    const json& results = document[part];
    const auto found = results.find(node.value("label", ""));
    if (found != results.end()) node[part] = shots.number_of(*found);
  }
}

json shortened(json document, std::initializer_list<const char*> left_out) {
  Pool shots(left_out);
  Pool kernels;
  for (json& node : document["nodes"]) {
    shots.replace_all(node["outputs"]);
    add_results(document, node, shots);
    if (node.contains("kernels")) kernels.replace_all(node["kernels"]);
  }
  for (json& call : document["calls"]) {
    shots.replace_all(call["cotangents"]);
    shots.replace_all(call["gradients"]);
    if (call.contains("kernels")) kernels.replace_all(call["kernels"]);
  }
  for (const char* const moved : {"gradient", "product"}) document.erase(moved);
  document["nodes"] = tabulated(document["nodes"]);
  document["calls"] = tabulated(document["calls"]);
  document["shots"] = tabulated(shots.list());
  document["kernels"] = kernels.list();
  return document;
}

}  // namespace

std::string page(const json& whole, const PageOptions& options) {
  json document = whole;
  document["folded"] = options.folded;
  document["no_walk"] = options.no_walk;
  const std::string title = document.at("title").get<std::string>();
  std::size_t size = 0;
  for (const auto& left_out : kLeftOut) {
    std::string text =
        fill_page(graph_assets::graph_graph_html, title, shortened(document, left_out),
                  {{"style", graph_assets::graph_graph_css},
                   {"layout", graph_assets::graph_layout_js},
                   {"camera", graph_assets::graph_camera_js},
                   {"far", graph_assets::graph_far_js},
                   {"view", graph_assets::graph_view_js},
                   {"panes", graph_assets::graph_panes_js},
                   {"walk", graph_assets::graph_walk_js}});
    if (text.size() <= kLargestPage) return text;
    size = text.size();
  }
  throw Error(
      fmt::format("graph: the page of {} nodes would take {} bytes, more than {}, without any "
                  "tensor's numbers: use a lower --order, a smaller model, or --json",
                  document.at("nodes").size(), size, kLargestPage));
}

}  // namespace switchyard::graph
