#include "app/xray/details.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "app/xray/source.h"

namespace switchyard {
namespace {

using kernels::xray::Frame;
using kernels::xray::LaunchReport;
using kernels::xray::LineTally;
using kernels::xray::Space;
using kernels::xray::Tally;
using kernels::xray::Use;
using nlohmann::json;

/// Source lines that are shown before and behind one that was counted.
constexpr std::size_t kAround = 12;

/// The lines of a text, by their number less one.
std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

void put_unless_zero(json& row, const char* name, std::uint64_t value) {
  if (value != 0) row[name] = value;
}

/// A row of the PTX; counts that are zero are left out, as most are.
json instruction_json(std::uint32_t line, const Tally& tally, const std::string& text) {
  const auto& a = tally.access;
  json row = {{"line", line}, {"text", text}, {"warps", a.warps}, {"lanes", a.lanes}};
  put_unless_zero(row, "sectors", a.sectors);
  put_unless_zero(row, "ideal_sectors", a.ideal_sectors);
  put_unless_zero(row, "turns", a.turns);
  put_unless_zero(row, "ideal_turns", a.ideal_turns);
  put_unless_zero(row, "collisions", a.collisions);
  put_unless_zero(row, "flops", tally.flops + tally.tensor_flops);
  put_unless_zero(row, "local_bytes", a.local_bytes);
  return row;
}

/// Addresses of a frame: first and step where every lane lies one step behind the lane before it,
/// as most do; else one by one, null for a lane that takes no part.
json offsets_json(const Frame& frame) {
  constexpr std::uint32_t kAll = 0xFFFFFFFFU;
  const std::int64_t step = frame.offset[1] - frame.offset[0];
  bool is_regular = frame.lanes == kAll;
  for (std::size_t i = 1; i < frame.offset.size(); ++i) {
    is_regular = is_regular && frame.offset[i] - frame.offset[i - 1] == step;
  }
  if (is_regular) return {{"first", frame.offset[0]}, {"step", step}};
  json list = json::array();
  for (std::size_t i = 0; i < frame.offset.size(); ++i) {
    list.push_back((frame.lanes >> i & 1) != 0 ? json(frame.offset[i]) : json());
  }
  return list;
}

json frame_json(const Frame& frame) {
  const auto& counts = frame.counts;
  json row = {{"ptx", frame.line},
              {"space", frame.space == Space::kShared ? "shared" : "global"},
              {"use", frame.use == Use::kLoad    ? "reads"
                      : frame.use == Use::kStore ? "writes"
                                                 : "updates"},
              {"bytes", frame.bytes},
              {"lanes", frame.lanes},
              {"array", frame.array},
              {"array_bytes", frame.array_bytes},
              {"array_begin", frame.array_begin},
              {"offsets", offsets_json(frame)}};
  if (frame.space == Space::kShared) {
    row["turns"] = counts.turns;
    row["ideal_turns"] = counts.ideal_turns;
  } else {
    row["sectors"] = counts.sectors;
    row["ideal_sectors"] = counts.ideal_sectors;
  }
  put_unless_zero(row, "collisions", counts.collisions);
  return row;
}

json film_json(const LaunchReport& report) {
  const kernels::Dim3& block = report.filmed->block;
  json frames = json::array();
  for (const Frame& frame : report.film) frames.push_back(frame_json(frame));
  return {
      {"block", {block.x, block.y, block.z}}, {"warp", report.filmed->warp}, {"frames", frames}};
}

/// The pieces of a source that lie near counted lines.
json parts_json(const std::vector<std::string>& source, const std::set<std::size_t>& counted) {
  json parts = json::array();
  std::size_t next = 1;  // the first line that no part has yet
  for (auto line = counted.begin(); line != counted.end();) {
    const std::size_t first = std::max(next, *line > kAround ? *line - kAround : 1);
    std::size_t last = *line + kAround;
    for (++line; line != counted.end() && *line <= last + kAround; ++line) last = *line + kAround;
    std::string text;
    for (next = first; next <= std::min(last, source.size()); ++next) {
      text += (next == first ? "" : "\n") + source[next - 1];
    }
    if (next > first) parts.push_back({{"line", first}, {"text", text}});
  }
  return parts;
}

}  // namespace

void add_xray_details(json& launch, const LaunchReport& report) {
  const std::vector<std::string_view> ptx = lines_of(report.module->text());
  std::map<std::pair<std::string, std::uint32_t>, const LineTally*> known;
  for (const LineTally& line : report.lines) known[{line.file, line.line}] = &line;
  for (json& row : launch["lines"]) {
    const auto found =
        known.find({row["file"].get<std::string>(), row["line"].get<std::uint32_t>()});
    if (found == known.end()) continue;
    json instructions = json::array();
    for (const auto& [number, tally] : found->second->ptx) {
      const bool is_there = number > 0 && number <= ptx.size();
      const std::string text = is_there ? without_blanks(std::string(ptx[number - 1])) : "";
      instructions.push_back(instruction_json(number, tally, text));
    }
    row["ptx"] = instructions;
  }
  if (report.filmed) launch["film"] = film_json(report);
}

json xray_sources(const json& document, const std::filesystem::path& ptx) {
  std::map<std::string, std::set<std::size_t>> counted;
  for (const json& run : document.at("ladder")) {
    for (const json& launch : run.at("launches")) {
      for (const json& row : launch.at("lines")) {
        counted[row.at("file").get<std::string>()].insert(row.at("line").get<std::size_t>());
      }
    }
  }
  json sources = json::array();
  for (const auto& [file, lines] : counted) {
    const json parts = parts_json(xray_source(file, ptx), lines);
    if (!parts.empty()) sources.push_back({{"file", file}, {"parts", parts}});
  }
  return sources;
}

}  // namespace switchyard
