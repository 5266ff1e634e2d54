#include "analysis/xray/difference.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "analysis/xray/measures.h"
#include "engine/core/check.h"

namespace switchyard::xray {
namespace {

using nlohmann::json;
using Runs = std::map<std::string, json>;

json changes(const json* before, const json* now) {
  const Measures none;
  json measures = json::object();
  const Measures then = before != nullptr ? measures_of(*before) : none;
  const Measures present = now != nullptr ? measures_of(*now) : none;
  for (const std::string& name : measure_names()) {
    const double a = then.empty() ? 0.0 : measure(then, name);
    const double b = present.empty() ? 0.0 : measure(present, name);
    if (a != b) measures[name] = {{"before", a}, {"now", b}};
  }
  return measures;
}

const json* find(const std::map<std::string, json>& all, const std::string& name) {
  const auto found = all.find(name);
  return found == all.end() ? nullptr : &found->second;
}

/// The names of both, in order.
std::map<std::string, int> names_of(const std::map<std::string, json>& a,
                                    const std::map<std::string, json>& b) {
  std::map<std::string, int> names;
  for (const auto* each : {&a, &b}) {
    for (const auto& [name, value] : *each) ++names[name];
  }
  return names;
}

json kernel_changes(const json* before, const json* now) {
  const std::map<std::string, json> then = before ? by_kernel(*before) : Runs();
  const std::map<std::string, json> present = now ? by_kernel(*now) : Runs();
  json kernels = json::array();
  for (const auto& [name, count] : names_of(then, present)) {
    json measures = changes(find(then, name), find(present, name));
    if (!measures.empty()) kernels.push_back({{"name", name}, {"measures", std::move(measures)}});
  }
  return kernels;
}

Runs runs_of(const json& document) {
  Runs runs;
  for (const json& run : document.at("ladder")) runs[run.at("name")] = run;
  return runs;
}

std::string lines_of(const json& measures, const std::string& indent) {
  std::string text;
  for (const auto& [name, values] : measures.items()) {
    const double before = values["before"], now = values["now"];
    text += fmt::format(
        "{}{:<18} {:>14.0f} -> {:<14.0f}{}\n", indent, name, before, now,
        before == 0.0 ? std::string() : fmt::format(" {:+.1f} %", 100.0 * (now - before) / before));
  }
  return text;
}

}  // namespace

json difference(const json& before, const json& now, const std::string& where) {
  check(before.is_object() && before.contains("xray") && before["xray"] == 1,
        "{}: expected the document of switchyard xray --json", where);
  json changed = json::array();
  Runs then, present;
  try {
    then = runs_of(before);
    present = runs_of(now);
    for (const auto& [name, count] : names_of(then, present)) {
      const json* a = find(then, name);
      const json* b = find(present, name);
      json measures = changes(a, b);
      json kernels = kernel_changes(a, b);
      if (a != nullptr && b != nullptr && measures.empty() && kernels.empty()) continue;
      changed.push_back({{"name", name},
                         {"change", a == nullptr   ? "added"
                                    : b == nullptr ? "removed"
                                                   : "changed"},
                         {"measures", std::move(measures)},
                         {"kernels", std::move(kernels)}});
    }
  } catch (const json::exception&) {
    throw Error(
        fmt::format("{}: a field of the document of switchyard xray --json is missing", where));
  }
  return {{"runs", std::move(changed)}};
}

std::string difference_text(const json& difference) {
  if (difference["runs"].empty()) return "nothing changed\n";
  std::string text;
  for (const json& run : difference["runs"]) {
    text +=
        fmt::format("{}: {}\n", run["name"].get<std::string>(), run["change"].get<std::string>());
    text += lines_of(run["measures"], "  ");
    if (run["kernels"].size() < 2) continue;  // the only kernel is the run
    for (const json& kernel : run["kernels"]) {
      text += fmt::format("  {}\n", kernel["name"].get<std::string>());
      text += lines_of(kernel["measures"], "    ");
    }
  }
  return text;
}

}  // namespace switchyard::xray
