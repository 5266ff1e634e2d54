#include "analysis/graph/parting.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "engine/io/json.h"

namespace switchyard::graph {
namespace {

using nlohmann::json;

double number_of(const json& value) {
  if (value.is_number()) return value.get<double>();
  const auto text = value.is_string() ? value.get<std::string>() : "nan";
  if (text == "inf") return INFINITY;
  return text == "-inf" ? -INFINITY : NAN;
}

Snapshot shot_of(const json& value, const std::string& where) {
  if (value.is_null()) return {};
  check<UsageError>(value.is_object() && value.contains("shape") && value["shape"].is_array(),
                    "{}: expected a tensor with its shape", where);
  Snapshot shot{.defined = true};
  std::vector<std::int64_t> sizes;
  for (const json& size : value["shape"]) {
    check<UsageError>(size.is_number_integer(), "{}.shape: expected whole numbers", where);
    sizes.push_back(size.get<std::int64_t>());
  }
  shot.shape = Shape(std::span<const std::int64_t>(sizes));
  for (const json& x : value.value("values", json::array())) {
    shot.values.push_back(number_of(x));
  }
  check<UsageError>(
      shot.values.empty() || static_cast<std::int64_t>(shot.values.size()) == shot.shape.numel(),
      "{}.values: {} of them for shape {}", where, shot.values.size(), shot.shape);
  if (value.contains("norm")) shot.norm = number_of(value["norm"]);
  return shot;
}

/// "[1, 2]": where element `number` of a row-major tensor lies.
std::string place_of(std::int64_t number, const Shape& shape) {
  std::vector<std::int64_t> index(static_cast<std::size_t>(shape.rank()));
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    index[static_cast<std::size_t>(axis)] = number % shape[axis];
    number /= shape[axis];
  }
  return fmt::format("[{}]", fmt::join(index, ", "));
}

bool differ(double a, double b, double most) {
  if (!std::isfinite(a) || !std::isfinite(b)) return a != b && !(std::isnan(a) && std::isnan(b));
  return a != b && !(std::abs(a - b) <= most);
}

/// Fills `what`, `a`, `b` and `error` where the numbers of two outputs differ.
bool numbers_part(const Snapshot& a, const Snapshot& b, std::size_t output, double tolerance,
                  Parting& parting) {
  double largest = 0.0;
  for (const double x : b.values) {
    if (std::isfinite(x)) largest = std::max(largest, std::abs(x));
  }
  double off = 0.0;
  std::int64_t first = -1;
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    if (!differ(a.values[i], b.values[i], tolerance * largest)) continue;
    if (first < 0) first = static_cast<std::int64_t>(i);
    const double distance = std::abs(a.values[i] - b.values[i]);
    off = std::isnan(distance) ? INFINITY : std::max(off, distance);
  }
  if (first < 0) return false;
  const auto at = static_cast<std::size_t>(first);
  parting.what =
      fmt::format("element {} of output {} {}", place_of(first, a.shape), output, a.shape);
  parting.a = fmt::format("{}", a.values[at]);
  parting.b = fmt::format("{}", b.values[at]);
  parting.error = largest > 0.0 ? off / largest : off;
  return true;
}

bool outputs_part(const Snapshot& a, const Snapshot& b, std::size_t output, double tolerance,
                  Parting& parting) {
  if (a.shape != b.shape) {
    parting.what = fmt::format("shape of output {}", output);
    parting.a = a.shape.to_string();
    parting.b = b.shape.to_string();
    return true;
  }
  if (!a.values.empty() && !b.values.empty()) {
    return numbers_part(a, b, output, tolerance, parting);
  }
  if (!differ(a.norm, b.norm, tolerance * std::abs(b.norm))) return false;
  parting.what = fmt::format("norm of output {} {}", output, a.shape);
  parting.a = fmt::format("{}", a.norm);
  parting.b = fmt::format("{}", b.norm);
  parting.error = std::abs(a.norm - b.norm) / std::abs(b.norm);
  return true;
}

bool steps_part(const Step& a, const Step& b, double tolerance, Parting& parting) {
  if (a.operation != b.operation || a.pass != b.pass || a.outputs.size() != b.outputs.size()) {
    parting.what = "operation";
    parting.a = a.operation;
    parting.b = b.operation;
    return true;
  }
  for (std::size_t i = 0; i < a.outputs.size(); ++i) {
    if (outputs_part(a.outputs[i], b.outputs[i], i, tolerance, parting)) return true;
  }
  return false;
}

}  // namespace

std::vector<Step> steps_of(const Problem& problem, const TracedProblem& traced) {
  std::vector<Step> steps;
  for (const TracedNode& node : traced.trace.nodes) {
    steps.push_back({node.label.empty() ? node.name : node.label, node.pass, node.outputs});
  }
  const auto add_results = [&](const std::vector<Tensor>& values, const char* title, int pass) {
    std::map<std::string, Tensor> by_name;  // the order of a document
    for (std::size_t i = 0; i < values.size(); ++i) by_name[problem.inputs[i].name] = values[i];
    for (const auto& [name, value] : by_name) {
      steps.push_back({title + printable(name), pass, {snapshot(value, kWholeTensors)}});
    }
  };
  add_results(traced.gradient, "gradient of ", 1);
  add_results(traced.product, "product by ", 2);
  return steps;
}

std::vector<Step> steps_of(const json& document, const std::string& where) {
  check<UsageError>(
      document.is_object() && document.contains("nodes") && document["nodes"].is_array(),
      "{}: expected a document of 'graph --json', with its nodes", where);
  std::vector<Step> steps;
  for (const json& node : document["nodes"]) {
    const std::string here = fmt::format("{}: nodes[{}]", where, steps.size());
    check<UsageError>(node.is_object() && node.contains("op") && node["op"].is_string() &&
                          node.contains("outputs") && node["outputs"].is_array(),
                      "{}: expected op and outputs", here);
    const std::string operation = node["op"].get<std::string>();
    const json label = node.value("label", json());
    Step step{label.is_string() ? label.get<std::string>() : operation};
    if (node.contains("pass") && node["pass"].is_number_integer()) step.pass = node["pass"];
    for (const json& output : node["outputs"]) step.outputs.push_back(shot_of(output, here));
    steps.push_back(std::move(step));
  }
  const auto add_results = [&](const char* field, const char* title, int pass) {
    const json results = document.value(field, json::object());
    for (const auto& [name, value] : results.items()) {
      steps.push_back(
          {title + printable(name), pass, {shot_of(value, fmt::format("{}: {}", where, field))}});
    }
  };
  add_results("gradient", "gradient of ", 1);
  add_results("product", "product by ", 2);
  return steps;
}

std::optional<Parting> first_parting(const std::vector<Step>& a, const std::vector<Step>& b,
                                     double tolerance) {
  Parting parting;
  for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    const bool both = i < a.size() && i < b.size();
    parting.step = i;
    parting.operation = i < a.size() ? a[i].operation : b[i].operation;
    parting.pass = i < a.size() ? a[i].pass : b[i].pass;
    if (both && !steps_part(a[i], b[i], tolerance, parting)) continue;
    if (!both) {
      parting.what = "operation";
      parting.a = i < a.size() ? a[i].operation : "nothing";
      parting.b = i < b.size() ? b[i].operation : "nothing";
    }
    return parting;
  }
  return {};
}

}  // namespace switchyard::graph
