#include "app/xray/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "app/xray/source.h"

namespace switchyard {
namespace {

using kernels::Dim3;
using kernels::xray::AccessCounts;
using kernels::xray::Kind;
using kernels::xray::kKinds;
using kernels::xray::LaunchReport;
using kernels::xray::LineTally;
using kernels::xray::Tally;

std::uint64_t transactions(const Tally& tally) {
  return tally.access.sectors + tally.access.turns + tally.access.collisions;
}

double ratio(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string shape_text(const Dim3& d) { return fmt::format("{}x{}x{}", d.x, d.y, d.z); }

/// "96 (ideal 32)", or "-" where there was none.
std::string with_ideal(std::uint64_t count, std::uint64_t ideal) {
  return count == 0 ? "-" : fmt::format("{} (ideal {})", count, ideal);
}

std::string or_dash(std::uint64_t count) { return count == 0 ? "-" : fmt::format("{}", count); }

std::string mix(const Tally& total) {
  std::vector<std::pair<std::uint64_t, std::size_t>> kinds;
  for (std::size_t i = 0; i < kKinds; ++i) {
    if (total.warps[i] != 0) kinds.emplace_back(total.warps[i], i);
  }
  std::sort(kinds.rbegin(), kinds.rend());
  std::string text;
  for (const auto& [count, kind] : kinds) {
    text +=
        fmt::format("{}{} {} ({:.0f} %)", text.empty() ? "" : ", ", name(static_cast<Kind>(kind)),
                    count, 100 * ratio(count, total.access.warps));
  }
  return text;
}

}  // namespace

nlohmann::json xray_counts(const Tally& tally) {
  const AccessCounts& a = tally.access;
  nlohmann::json kinds = nlohmann::json::object();
  for (std::size_t i = 0; i < kKinds; ++i) {
    if (tally.warps[i] != 0) kinds[name(static_cast<Kind>(i))] = tally.warps[i];
  }
  return {{"warp_instructions", a.warps},
          {"lane_instructions", a.lanes},
          {"kinds", kinds},
          {"global",
           {{"requests", a.global_requests},
            {"bytes", a.global_bytes},
            {"sectors", a.sectors},
            {"ideal_sectors", a.ideal_sectors}}},
          {"shared",
           {{"requests", a.shared_requests},
            {"bytes", a.shared_bytes},
            {"turns", a.turns},
            {"ideal_turns", a.ideal_turns}}},
          {"local", {{"requests", a.local_requests}, {"bytes", a.local_bytes}}},
          {"atomics",
           {{"requests", tally.of(Kind::kAtomic)},
            {"lanes", tally.atomic_lanes},
            {"collisions", a.collisions}}},
          {"barriers", tally.of(Kind::kBarrier)},
          {"flops", tally.flops},
          {"tensor_flops", tally.tensor_flops}};
}

std::vector<XrayLine> xray_lines(const LaunchReport& report, const std::filesystem::path& ptx) {
  static std::map<std::string, std::vector<std::string>> sources;  // of all launches, read once
  std::vector<XrayLine> lines;
  for (const LineTally& one : report.lines) {
    auto [source, is_new] = sources.try_emplace(one.file);
    if (is_new) source->second = xray_source(one.file, ptx);
    const bool is_there = one.line > 0 && one.line <= source->second.size();
    lines.push_back({one, is_there ? without_blanks(source->second[one.line - 1]) : ""});
  }
  std::stable_sort(lines.begin(), lines.end(), [](const XrayLine& a, const XrayLine& b) {
    const auto cost = [](const XrayLine& line) {
      return std::pair(transactions(line.counts.tally), line.counts.tally.access.warps);
    };
    return cost(a) > cost(b);
  });
  return lines;
}

std::string xray_text(const LaunchReport& report, const std::vector<XrayLine>& lines,
                      std::size_t count) {
  const Tally& total = report.total;
  const AccessCounts& a = total.access;
  const auto row = [](std::string_view name, const std::string& value) {
    return fmt::format("  {:<18} {}\n", name, value);
  };
  std::string text = fmt::format("{}: grid {}, block {}, {} threads in {} warps\n", report.kernel,
                                 shape_text(report.shape.grid), shape_text(report.shape.block),
                                 report.threads, report.warps);
  text += row("warp instructions",
              fmt::format("{}, {:.1f} of 32 lanes active", a.warps, ratio(a.lanes, a.warps)));
  text += row("global sectors", with_ideal(a.sectors, a.ideal_sectors) +
                                    fmt::format(", {} requests, {} bytes asked for",
                                                a.global_requests, a.global_bytes));
  text += row("shared turns",
              with_ideal(a.turns, a.ideal_turns) + fmt::format(", {} requests", a.shared_requests));
  if (a.local_requests != 0) {
    text +=
        row("local memory", fmt::format("{} requests, {} bytes", a.local_requests, a.local_bytes));
  }
  if (total.of(Kind::kAtomic) != 0) {
    text += row("atomics", fmt::format("{} requests, {} lanes, {} collide", total.of(Kind::kAtomic),
                                       total.atomic_lanes, a.collisions));
  }
  text += row("barriers", or_dash(total.of(Kind::kBarrier)));
  text += row("flops", or_dash(total.flops));
  if (total.tensor_flops != 0) text += row("tensor-core flops", or_dash(total.tensor_flops));
  text += row("mix", mix(total));
  text += fmt::format("\n  {:<22} {:>9} {:>6} {:>24} {:>24} {:>9}\n", "line", "warp ins.", "lanes",
                      "global sectors", "shared turns", "collide");
  for (std::size_t i = 0; i < std::min(count, lines.size()); ++i) {
    const LineTally& line = lines[i].counts;
    const AccessCounts& c = line.tally.access;
    text += fmt::format(
        "  {:<22} {:>9} {:>6.1f} {:>24} {:>24} {:>9}{}{}\n",
        fmt::format("{}:{}", std::filesystem::path(line.file).filename().string(), line.line),
        c.warps, ratio(c.lanes, c.warps), with_ideal(c.sectors, c.ideal_sectors),
        with_ideal(c.turns, c.ideal_turns), or_dash(c.collisions),
        lines[i].text.empty() ? "" : "  ", lines[i].text.substr(0, 80));
  }
  if (lines.size() > count) text += fmt::format("  ... and {} more lines\n", lines.size() - count);
  return text;
}

nlohmann::json xray_json(const LaunchReport& report, const std::vector<XrayLine>& lines) {
  nlohmann::json rows = nlohmann::json::array();
  for (const XrayLine& line : lines) {
    nlohmann::json row = xray_counts(line.counts.tally);
    row["file"] = line.counts.file;
    row["line"] = line.counts.line;
    row["text"] = line.text;
    rows.push_back(std::move(row));
  }
  const auto shape = [](const Dim3& d) { return nlohmann::json{d.x, d.y, d.z}; };
  return {{"kernel", report.kernel},
          {"grid", shape(report.shape.grid)},
          {"block", shape(report.shape.block)},
          {"dynamic_shared_bytes", report.shape.dynamic_shared_bytes},
          {"threads", report.threads},
          {"warps", report.warps},
          {"total", xray_counts(report.total)},
          {"lines", std::move(rows)}};
}

}  // namespace switchyard
