#include "app/xray/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "analysis/xray/measures.h"

namespace switchyard {
namespace {

using nlohmann::json;
using xray::measure;
using xray::Measures;
using xray::measures_of;

/// "97.5 %" of a part that is ideal, or "-" where there is none.
std::string share(double ideal, double count) {
  return count == 0.0 ? "-" : fmt::format("{:.1f} %", 100.0 * ideal / count);
}

std::string or_dash(double count) { return count == 0.0 ? "-" : fmt::format("{:.0f}", count); }

std::string ratio_text(double ratio, const char* unit) {
  return ratio == 0.0 ? "-" : fmt::format("{:.2f}{}", ratio, unit);
}

std::string bound_text(const json& of) {
  if (!of.contains("bound") || of["bound"].is_null()) return "-";
  return fmt::format("{:.2f} us, {}", of["bound"]["seconds"].get<double>() * 1e6,
                     of["bound"]["limited_by"].get<std::string>());
}

/// The cells that rungs, passes and kernels share.
std::string cost_cells(const Measures& m) {
  const double moved = measure(m, "moved_bytes");
  const double flops = measure(m, "flops") + measure(m, "tensor_flops");
  return fmt::format(
      "{:>8} {:>12} {:>12} {:>8} {:>12} {:>8} {:>10}", or_dash(measure(m, "launches")),
      or_dash(measure(m, "warp_instructions")), or_dash(measure(m, "sectors")),
      share(measure(m, "ideal_sectors"), measure(m, "sectors")), or_dash(measure(m, "turns")),
      share(measure(m, "ideal_turns"), measure(m, "turns")),
      ratio_text(moved == 0.0 ? 0.0 : flops / moved, ""));
}

std::string cost_heading() {
  return fmt::format("{:>8} {:>12} {:>12} {:>8} {:>12} {:>8} {:>10}", "launches", "warp ins.",
                     "sectors", "ideal", "turns", "ideal", "flops/byte");
}

constexpr int kNameWidth = 40;

std::string problem_of(const json& run) {
  const std::string name = run["name"];
  if (!run.contains("variant")) return name;
  const std::string entry = run["entry_point"];
  return entry + name.substr(name.find(' '));
}

std::string problem_heading(const json& run) {
  std::string text = problem_of(run);
  if (!run["compulsory"].is_null()) {
    text += fmt::format(": {:.0f} compulsory bytes", run["compulsory"]["bytes"].get<double>());
    const double flops = run["compulsory"]["flops"];
    if (flops > 0.0) text += fmt::format(", {:.0f} flops", flops);
  }
  return text + "\n";
}

/// The L2 of the document's GPU; an H100's where none is named.
double cache_of(const json& document) {
  return document["gpu"].is_null() ? 50e6 : document["gpu"]["cache_bytes"].get<double>();
}

/// What a run's DRAM moves beside the compulsory bytes, or in bytes where nobody declares those.
std::string dram_cell(const json& run, const Measures& m, double cache_bytes) {
  const double bytes = xray::dram_bytes(run, cache_bytes);
  const double compulsory = measure(m, "compulsory_bytes");
  return compulsory == 0.0 ? or_dash(bytes) : ratio_text(bytes / compulsory, "x");
}

/// The columns behind the costs.
struct Columns {
  bool has_dram = false;
  bool has_bounds = false;
  double cache_bytes = 0.0;
};

std::string run_row(const json& run, const Columns& columns) {
  const std::string label = run.contains("variant") ? run["variant"].get<std::string>() : "all";
  if (run["status"] != "ran") {
    return fmt::format("  {:<{}} {}: {}\n", label, kNameWidth, run["status"].get<std::string>(),
                       run["reason"].get<std::string>());
  }
  const Measures m = measures_of(run);
  return fmt::format(
      "  {:<{}} {} {:>9}{}{}\n", label, kNameWidth, cost_cells(m),
      ratio_text(xray::moved_over_compulsory(m), "x"),
      columns.has_dram ? fmt::format(" {:>9}", dram_cell(run, m, columns.cache_bytes)) : "",
      columns.has_bounds ? "  " + bound_text(run) : "");
}

std::string ladder_text(const json& document) {
  const bool has_bounds = !document["gpu"].is_null();
  Columns columns{.has_bounds = has_bounds, .cache_bytes = cache_of(document)};
  for (const json& run : document["ladder"]) {
    columns.has_dram = columns.has_dram || xray::dram_bytes(run, columns.cache_bytes) > 0.0;
  }
  std::string text;
  if (columns.has_dram) {
    text += fmt::format(
        "DRAM: moved with an L2 of {:.0f} MB that each launch finds empty, blocks one after the "
        "other; --json has every size\n",
        columns.cache_bytes / 1e6);
  }
  if (has_bounds) {
    text += fmt::format(
        "bounds: the least time on {} that the counted work leaves room for; no measurement backs "
        "them\n",
        document["gpu"]["name"].get<std::string>());
  }
  // Element types have their own ladders: the rungs of a problem come one after the other.
  std::vector<std::pair<std::string, std::vector<const json*>>> problems;
  for (const json& run : document["ladder"]) {
    const std::string name = problem_of(run);
    const auto found = std::find_if(problems.begin(), problems.end(),
                                    [&](const auto& each) { return each.first == name; });
    if (found == problems.end()) {
      problems.push_back({name, {&run}});
    } else {
      found->second.push_back(&run);
    }
  }
  for (const auto& [name, runs] : problems) {
    text += problem_heading(*runs.front());
    text += fmt::format("  {:<{}} {} {:>9}{}{}\n", "", kNameWidth, cost_heading(), "moved",
                        columns.has_dram ? "      DRAM" : "", has_bounds ? "  bound" : "");
    for (const json* run : runs) text += run_row(*run, columns);
  }
  return text;
}

std::string copies_text(const char* name, const json& copies) {
  if (copies["count"] == 0) return "";
  return fmt::format(", {} {} of {} bytes", copies["count"].get<std::uint64_t>(), name,
                     copies["bytes"].get<std::uint64_t>());
}

std::string passes_text(const json& run) {
  std::string text;
  for (const json& pass : run["passes"]) {
    text += fmt::format("  {}: {} launches, {} waits{}{}{}{}{}, peak {} bytes\n",
                        pass["name"].get<std::string>(), pass["launched"].get<std::uint64_t>(),
                        pass["waits"].get<std::uint64_t>(),
                        copies_text("allocations", pass["allocations"]),
                        copies_text("copies to the device", pass["copies"]["to_device"]),
                        copies_text("copies to the host", pass["copies"]["to_host"]),
                        copies_text("copies within", pass["copies"]["within_device"]),
                        copies_text("sets", pass["sets"]), pass["peak_bytes"].get<std::uint64_t>());
  }
  return text;
}

double cost_of(const json& counts) {
  return counts["global"]["sectors"].get<double>() + counts["shared"]["turns"].get<double>() +
         counts["atomics"]["collisions"].get<double>();
}

/// The kernels of a run, those that cost most first.
std::string kernels_text(const json& run) {
  std::vector<std::pair<double, std::string>> rows;
  for (const auto& [name, kernel] : xray::by_kernel(run)) {
    const std::string shown = name.size() > 76 ? name.substr(0, 73) + "..." : name;
    rows.emplace_back(-cost_of(kernel["total"]),
                      fmt::format("  {:<76} {}\n", shown, cost_cells(measures_of(kernel))));
  }
  std::sort(rows.begin(), rows.end());
  std::string text = fmt::format("\n  {:<76} {}\n", "kernel", cost_heading());
  for (const auto& [cost, row] : rows) text += row;
  return text;
}

/// The counts of a source line that the table shows, over all launches.
struct LineSum {
  double warps = 0.0, lanes = 0.0, sectors = 0.0, ideal_sectors = 0.0, turns = 0.0,
         ideal_turns = 0.0, collisions = 0.0;
  std::string text;

  void add(const json& line) {
    warps += line["warp_instructions"].get<double>();
    lanes += line["lane_instructions"].get<double>();
    sectors += line["global"]["sectors"].get<double>();
    ideal_sectors += line["global"]["ideal_sectors"].get<double>();
    turns += line["shared"]["turns"].get<double>();
    ideal_turns += line["shared"]["ideal_turns"].get<double>();
    collisions += line["atomics"]["collisions"].get<double>();
    text = line["text"];
  }
  double cost() const { return sectors + turns + collisions; }
};

std::string with_ideal(double count, double ideal) {
  return count == 0.0 ? "-" : fmt::format("{:.0f} (ideal {:.0f})", count, ideal);
}

std::string lines_text(const json& run, std::size_t count) {
  std::map<std::string, LineSum> sums;
  for (const json& launch : run["launches"]) {
    for (const json& line : launch["lines"]) {
      const std::filesystem::path file = line["file"].get<std::string>();
      sums[fmt::format("{}:{}", file.filename().string(), line["line"].get<int>())].add(line);
    }
  }
  std::vector<std::pair<std::string, LineSum>> rows(sums.begin(), sums.end());
  std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
    return std::pair(a.second.cost(), a.second.warps) > std::pair(b.second.cost(), b.second.warps);
  });
  std::string text = fmt::format("\n  {:<30} {:>10} {:>6} {:>26} {:>26} {:>9}\n", "line",
                                 "warp ins.", "lanes", "global sectors", "shared turns", "collide");
  for (std::size_t i = 0; i < std::min(count, rows.size()); ++i) {
    const auto& [place, sum] = rows[i];
    text += fmt::format("  {:<30} {:>10.0f} {:>6.1f} {:>26} {:>26} {:>9}{}{}\n", place, sum.warps,
                        sum.warps == 0.0 ? 0.0 : sum.lanes / sum.warps,
                        with_ideal(sum.sectors, sum.ideal_sectors),
                        with_ideal(sum.turns, sum.ideal_turns), or_dash(sum.collisions),
                        sum.text.empty() ? "" : "  ", sum.text.substr(0, 80));
  }
  if (rows.size() > count) text += fmt::format("  ... and {} more lines\n", rows.size() - count);
  return text;
}

}  // namespace

std::string document_text(const json& document, std::size_t lines) {
  std::string text = ladder_text(document);
  const json& ladder = document["ladder"];
  if (ladder.size() == 1 && ladder[0]["status"] == "ran") {
    text += passes_text(ladder[0]) + kernels_text(ladder[0]) + lines_text(ladder[0], lines);
  }
  return text;
}

}  // namespace switchyard
