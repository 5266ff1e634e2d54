#include "analysis/xray/budget.h"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/core/check.h"
#include "engine/io/json.h"

namespace switchyard::xray {
namespace {

using nlohmann::json;

/// What a budget limits as it is.
constexpr const char* kLimited[] = {"launches", "waits", "warp_instructions",
                                    "sectors",  "turns", "local_bytes"};

std::string target_of(const json& document) { return document["target"]["name"]; }

/// "0.5" or "12"; whole numbers without a point.
std::string number(double value) {
  return value == std::floor(value) ? fmt::format("{:.0f}", value) : fmt::format("{:.3f}", value);
}

void compare(const std::string& run, const Measures& now, const Measures& limit,
             std::vector<std::string>& lines) {
  for (const char* each : kLimited) {
    const double is = measure(now, each), may = measure(limit, each);
    if (is > may) {
      lines.push_back(fmt::format("{}: {} {}, budget {}", run, each, number(is), number(may)));
    }
  }
  const double is = moved_over_compulsory(now), may = moved_over_compulsory(limit);
  if (is > may * (1.0 + 1e-12)) {
    lines.push_back(fmt::format("{}: moved_over_compulsory {:.4f}, budget {:.4f}", run, is, may));
  }
}

}  // namespace

Budget budget_of(const json& document, const std::string& toolkit) {
  Budget budget{.toolkit = toolkit, .target = target_of(document), .runs = {}};
  for (const json& run : document["ladder"]) {
    const std::string status = run["status"];
    if (status == "refused") continue;
    check(status == "ran", "{}: {}", run["name"].get<std::string>(),
          run["reason"].get<std::string>());
    budget.runs.emplace_back(run["name"], measures_of(run));
  }
  return budget;
}

std::vector<std::string> excesses(const json& document, const Budget& budget) {
  std::vector<std::string> lines;
  std::set<std::string> seen;
  const std::map<std::string, Measures> limits(budget.runs.begin(), budget.runs.end());
  for (const json& run : document["ladder"]) {
    const std::string name = run["name"], status = run["status"];
    seen.insert(name);
    if (status == "refused") continue;
    const auto found = limits.find(name);
    if (status != "ran") {
      lines.push_back(fmt::format("{}: {}", name, run["reason"].get<std::string>()));
    } else if (found == limits.end()) {
      lines.push_back(fmt::format("{}: has no budget", name));
    } else {
      compare(name, measures_of(run), found->second, lines);
    }
  }
  if (target_of(document) != budget.target) return lines;  // a part of what the budget is of
  for (const auto& [name, limit] : budget.runs) {
    if (!seen.contains(name))
      lines.push_back(fmt::format("{}: has a budget and does not run", name));
  }
  return lines;
}

Budget read_budget(const std::filesystem::path& file) {
  const json document = read_json(file);
  const auto text = [&](const char* field) -> std::string {
    check(document.is_object() && document.contains(field) && document[field].is_string(),
          "{}: the text {} is missing", file.string(), field);
    return document[field];
  };
  Budget budget{.toolkit = text("toolkit"), .target = text("target"), .runs = {}};
  check(document.contains("runs") && document["runs"].is_array(), "{}: the list runs is missing",
        file.string());
  for (const json& fields : document["runs"]) {
    check(fields.is_object() && fields.contains("run") && fields["run"].is_string(),
          "{}: a run without a name: the text run is missing", file.string());
    const std::string name = fields["run"];
    Measures measures;
    for (const std::string& each : measure_names()) {
      check(fields.contains(each) && fields[each].is_number(), "{}: {}: the number {} is missing",
            file.string(), printable(name), each);
      measures.emplace_back(each, fields[each].get<double>());
    }
    budget.runs.emplace_back(name, std::move(measures));
  }
  return budget;
}

std::string to_json_lines(const Budget& budget) {
  std::string text = fmt::format("{{\"toolkit\": {},\n \"target\": {},\n \"runs\": [",
                                 json(budget.toolkit).dump(), json(budget.target).dump());
  const char* between = "\n";
  for (const auto& [name, measures] : budget.runs) {
    text += fmt::format("{}{{\"run\":{}", between, json(name).dump());
    for (const auto& [each, value] : measures)
      text += fmt::format(",\"{}\":{}", each, number(value));
    text += "}";
    between = ",\n";
  }
  return text + "]}\n";
}

}  // namespace switchyard::xray
