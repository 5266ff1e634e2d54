#include "analysis/moe_bench/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "analysis/report/json_field.h"
#include "engine/core/check.h"
#include "engine/io/json.h"

namespace switchyard::moe_bench {
namespace {

constexpr std::array<std::string_view, 6> kNames = {"faster",    "slower",   "same",
                                                    "undecided", "only old", "only new"};

/// Nanoseconds of one unit of Google Benchmark's time_unit.
double unit_of(const JsonField& run) {
  const std::string& unit = run.at("time_unit").string();
  if (unit == "ns") return 1.0;
  if (unit == "us") return 1e3;
  if (unit == "ms") return 1e6;
  if (unit != "s") run.at("time_unit").fail("expected ns, us, ms or s, got '" + unit + "'");
  return 1e9;
}

TimedRow read_row(const JsonField& run) {
  TimedRow row;
  row.name = run.at("name").string();
  const auto failed = run.find("error_occurred");
  if (failed && failed->boolean()) {
    row.problem = run.at("error_message").string();
    return row;
  }
  const double unit = unit_of(run);
  row.median = run.at("real_time").number() * unit;
  row.p20 = run.at("p20_ns").number();
  row.p80 = run.at("p80_ns").number();
  row.calls = run.at("timed_calls").integer(0);
  return row;
}

Comparison alone(const TimedRow& row, Verdict verdict) {
  Comparison comparison = {.name = row.name, .verdict = verdict};
  (verdict == Verdict::kOnlyOld ? comparison.old_ns : comparison.new_ns) = row.median;
  return comparison;
}

std::string time_text(double ns) {
  if (!(ns > 0.0)) return "-";
  if (ns < 1e6) return fmt::format("{:.2f} us", ns * 1e-3);
  return ns < 1e9 ? fmt::format("{:.2f} ms", ns * 1e-6) : fmt::format("{:.3f} s", ns * 1e-9);
}

}  // namespace

std::string_view name(Verdict verdict) { return kNames[static_cast<std::size_t>(verdict)]; }

std::vector<TimedRow> read_rows(const std::filesystem::path& path) {
  const nlohmann::json document = read_json(path);
  const JsonField file(document, path.string());
  std::vector<TimedRow> rows;
  std::set<std::string> names;
  for (const JsonField& run : file.at("benchmarks").elements()) {
    rows.push_back(read_row(run));
    if (!names.insert(rows.back().name).second) run.at("name").fail("stands there twice");
  }
  return rows;
}

Comparison compare(const TimedRow& old_row, const TimedRow& new_row) {
  Comparison result = {.name = old_row.name, .old_ns = old_row.median, .new_ns = new_row.median};
  const auto undecided = [&](std::string reason) {
    result.verdict = Verdict::kUndecided;
    result.reason = std::move(reason);
    return result;
  };
  if (!old_row.problem.empty()) return undecided("old: " + old_row.problem);
  if (!new_row.problem.empty()) return undecided("new: " + new_row.problem);
  if (std::min(old_row.calls, new_row.calls) < kFewestCalls) {
    return undecided(fmt::format("fewer than {} timed calls", kFewestCalls));
  }
  if (new_row.p80 < old_row.p20) {
    result.verdict = Verdict::kFaster;
  } else if (new_row.p20 > old_row.p80) {
    result.verdict = Verdict::kSlower;
  } else if (std::abs(new_row.median - old_row.median) <= kSameShare * old_row.median) {
    result.verdict = Verdict::kSame;
  } else {
    return undecided("the spreads overlap and the medians differ");
  }
  return result;
}

std::vector<Comparison> compare_all(const std::vector<TimedRow>& old_rows,
                                    const std::vector<TimedRow>& new_rows) {
  std::map<std::string, const TimedRow*> rest;
  for (const TimedRow& row : new_rows) rest[row.name] = &row;
  std::vector<Comparison> comparisons;
  for (const TimedRow& row : old_rows) {
    const auto found = rest.find(row.name);
    comparisons.push_back(found == rest.end() ? alone(row, Verdict::kOnlyOld)
                                              : compare(row, *found->second));
    if (found != rest.end()) rest.erase(found);
  }
  for (const TimedRow& row : new_rows) {
    if (rest.contains(row.name)) comparisons.push_back(alone(row, Verdict::kOnlyNew));
  }
  return comparisons;
}

std::string comparison_text(const std::vector<Comparison>& rows) {
  std::string text;
  std::map<Verdict, int> count;
  for (const Comparison& row : rows) {
    ++count[row.verdict];
    const double ratio = row.old_ns > 0.0 && row.new_ns > 0.0 ? row.old_ns / row.new_ns : 0.0;
    text += fmt::format("{:<9} {:>10} -> {:>10} {:>7}  {}{}\n", name(row.verdict),
                        time_text(row.old_ns), time_text(row.new_ns),
                        ratio > 0.0 ? fmt::format("{:.2f}x", ratio) : "", row.name,
                        row.reason.empty() ? "" : " (" + row.reason + ")");
  }
  std::string summary;
  for (const auto& [verdict, number] : count) {
    summary += fmt::format("{}{} {}", summary.empty() ? "" : ", ", number, name(verdict));
  }
  return text + (summary.empty() ? "no rows" : summary) + "\n";
}

nlohmann::json to_json(const std::vector<Comparison>& rows) {
  nlohmann::json list = nlohmann::json::array();
  for (const Comparison& row : rows) {
    list.push_back({{"name", row.name},
                    {"verdict", name(row.verdict)},
                    {"old_ns", row.old_ns},
                    {"new_ns", row.new_ns},
                    {"reason", row.reason}});
  }
  return {{"rows", std::move(list)}};
}

}  // namespace switchyard::moe_bench
