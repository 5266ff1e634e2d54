#include "analysis/moe_bench/row.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>
#include <utility>

#include "analysis/moe_bench/problem.h"

namespace switchyard::moe_bench {
namespace {

double quotient(double a, double b) { return b > 0.0 ? a / b : 0.0; }

using Figures = std::vector<std::pair<const char*, std::optional<double>>>;

double bytes_per_second(const Row& r) { return quotient(r.counts.bytes, r.median); }
double flops_per_second(const Row& r) { return quotient(r.flops, r.median); }

/// Launches are a GPU's, or what they would be there: the host's kernels are no grids.
std::optional<double> launches(const Row& r) {
  if (r.device == Device::kCpu) return std::nullopt;
  return static_cast<double>(r.counts.launches);
}

/// The figures of a row that follow from the others, each with its name in CSV and JSON; without a
/// value where the device has none.
Figures figures(const Row& r) {
  const auto cold = [&](double ColdTimes::*time) -> std::optional<double> {
    if (!r.cold) return std::nullopt;
    return (*r.cold).*time * 1e9;
  };
  const auto rate_of = [&](double Rates::*reached) -> std::optional<double> {
    if (!r.rates) return std::nullopt;
    return (*r.rates).*reached;
  };
  const auto share_of = [&](double per_second, double Rates::*reached) -> std::optional<double> {
    if (!r.rates) return std::nullopt;
    return quotient(per_second, (*r.rates).*reached);
  };
  return {{"p20_ns", r.p20 * 1e9},
          {"p80_ns", r.p80 * 1e9},
          {"timed_calls", static_cast<double>(r.calls)},
          {"cold_time_ns", cold(&ColdTimes::median)},
          {"cold_p20_ns", cold(&ColdTimes::p20)},
          {"cold_p80_ns", cold(&ColdTimes::p80)},
          {"kernels", static_cast<double>(r.counts.kernels)},
          {"launches", launches(r)},
          {"host_waits", static_cast<double>(r.counts.host_waits)},
          {"bytes_moved", r.counts.bytes},
          {"compulsory_bytes", r.compulsory_bytes},
          {"bytes_ratio", quotient(r.counts.bytes, r.compulsory_bytes)},
          {"bytes_per_second", bytes_per_second(r)},
          {"share_of_copy", share_of(bytes_per_second(r), &Rates::copy)},
          {"flops", r.flops},
          {"flops_per_second", flops_per_second(r)},
          {"share_of_product", share_of(flops_per_second(r), &Rates::product)},
          {"copy_bytes_per_second", rate_of(&Rates::copy)},
          {"product_flops_per_second", rate_of(&Rates::product)}};
}

/// The sizes of a row, for CSV and JSON.
std::vector<std::pair<const char*, std::int64_t>> sizes(const Row& r) {
  const Workload& w = r.workload;
  return {{"tokens", w.tokens},
          {"width", w.width},
          {"hidden", w.hidden},
          {"out", w.out},
          {"experts", w.experts},
          {"active_experts", r.active},
          {"k", w.k},
          {"seed", static_cast<std::int64_t>(r.draw.seed)},
          {"step", static_cast<std::int64_t>(r.draw.step)}};
}

std::vector<std::pair<const char*, std::string>> words(const Row& r) {
  return {{"benchmark", r.benchmark},
          {"stage", r.stage},
          {"variant", r.variant},
          {"order", std::string(name(r.order))},
          {"dtype", std::string(name(r.dtype))},
          {"device", std::string(name(r.device))},
          {"activation", std::string(name(r.workload.activation))},
          {"distribution", std::string(name(r.workload.distribution))}};
}

std::string time_text(double seconds) {
  if (seconds < 1e-3) return fmt::format("{:.1f} us", seconds * 1e6);
  if (seconds < 1.0) return fmt::format("{:.2f} ms", seconds * 1e3);
  return fmt::format("{:.3f} s", seconds);
}

std::string share(double per_second, double reached) {
  return reached > 0.0 ? fmt::format("{:.0f}%", 100.0 * per_second / reached) : "-";
}

std::string rate(double per_second, double reached) {
  return per_second > 0.0
             ? fmt::format("{:.1f} {:>5}", per_second * 1e-9, share(per_second, reached))
             : "-";
}

std::string heading_of(const Row& r) {
  const Workload& w = r.workload;
  std::string text =
      fmt::format("{} {} {} on {}: ", r.benchmark, name(r.order), name(r.dtype), name(r.device));
  text += r.benchmark == "routing"  // which has no experts' matrices
              ? fmt::format("T{} D{} E{} k{} {}", w.tokens, w.width, w.experts, w.k,
                            name(w.distribution))
              : w.to_string();
  if (r.active > 0) {
    text += fmt::format(", {} experts with tokens, tiles of {} slots {:.0f}% empty", r.active,
                        LayerProblem::kTileSlots, 100.0 * r.tile_padding);
  }
  if (r.rates) {
    text += fmt::format("; a copy {:.1f} GB/s, a dense product {:.1f} GFLOP/s",
                        r.rates->copy * 1e-9, r.rates->product * 1e-9);
  }
  return text;
}

/// A row's cells; the first is set left, the others right.
using Cells = std::vector<std::string>;
constexpr std::array kCellWidths = {36, 10, 23, 10, 4, 4, 4, 9, 9, 6, 12, 14, 8};
constexpr std::size_t kColdCell = 3;

std::string line_of_cells(const Cells& cells, bool with_cold) {
  std::string line = fmt::format("  {:<{}}", cells[0], kCellWidths[0]);
  for (std::size_t i = 1; i < cells.size(); ++i) {
    if (i == kColdCell && !with_cold) continue;
    line += fmt::format(" {:>{}}", cells[i], kCellWidths[i]);
  }
  return line + "\n";
}

const Cells kTitles = {"variant",    "time",           "p20 - p80", "cold L2",  "kern",
                       "grid",       "wait",           "MB moved",  "MB least", "ratio",
                       "GB/s  copy", "GFLOP/s  dense", "error"};

std::string line_of(const Row& r, bool with_cold) {
  const std::string what = r.stage == "layer" || r.stage == r.variant ? r.variant
                           : r.variant.starts_with(r.stage)           ? r.variant
                                                                      : r.stage + " " + r.variant;
  if (!r.has_time()) return fmt::format("  {:<36} {}\n", what, r.problem);
  const auto number = [](double x) { return fmt::format("{:.2f}", x); };
  return line_of_cells(
      {what, time_text(r.median), time_text(r.p20) + " - " + time_text(r.p80),
       r.cold ? time_text(r.cold->median) : "-", fmt::format("{}", r.counts.kernels),
       launches(r) ? fmt::format("{}", r.counts.launches) : "-",
       fmt::format("{}", r.counts.host_waits), number(r.counts.bytes * 1e-6),
       number(r.compulsory_bytes * 1e-6), number(quotient(r.counts.bytes, r.compulsory_bytes)),
       rate(bytes_per_second(r), r.rates ? r.rates->copy : 0.0),
       rate(flops_per_second(r), r.rates ? r.rates->product : 0.0), fmt::format("{:.1e}", r.error)},
      with_cold);
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

/// A whole number as such, so that who reads it need not round.
nlohmann::json number(double x) {
  constexpr double kExact = 9007199254740992.0;  // 2^53
  if (x == std::floor(x) && std::abs(x) <= kExact) return static_cast<std::int64_t>(x);
  return x;
}

std::string now_text() {
  const std::time_t now = std::time(nullptr);
  std::tm parts = {};
  ::gmtime_r(&now, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S+00:00", &parts)};
}

}  // namespace

std::string Row::name() const {
  return fmt::format("{}/{}/{}/{}/{}/{}/{}", benchmark, moe_bench::name(order), stage, variant,
                     switchyard::name(dtype), switchyard::name(device), workload.to_string('/'));
}

std::string table_text(const std::vector<Row>& rows) {
  const bool with_cold =
      std::any_of(rows.begin(), rows.end(), [](const Row& row) { return row.cold.has_value(); });
  std::string text;
  std::string heading;
  for (const Row& row : rows) {
    const std::string next = heading_of(row);
    if (next != heading) {
      heading = next;
      text += heading + "\n" + line_of_cells(kTitles, with_cold);
    }
    text += line_of(row, with_cold);
  }
  return text;
}

std::string csv_text(const std::vector<Row>& rows) {
  std::string text = "name";
  const Row none;
  for (const auto& [field, value] : words(none)) text += fmt::format(",{}", field);
  for (const auto& [field, value] : sizes(none)) text += fmt::format(",{}", field);
  text += ",tile_padding,time_ns,cpu_ns,error,tolerance";
  for (const auto& [field, value] : figures(none)) text += fmt::format(",{}", field);
  text += ",problem\r\n";
  for (const Row& row : rows) {
    text += csv_field(row.name());
    for (const auto& [field, value] : words(row)) text += "," + csv_field(value);
    for (const auto& [field, value] : sizes(row)) text += fmt::format(",{}", value);
    const bool timed = row.has_time();
    text += fmt::format(",{}", row.tile_padding);
    text += timed ? fmt::format(",{},{}", row.median * 1e9, row.cpu_seconds * 1e9) : ",,";
    text += fmt::format(",{},{}", row.error, row.tolerance);
    for (const auto& [field, value] : figures(row)) {
      text += timed && value ? fmt::format(",{}", *value) : ",";
    }
    text += "," + csv_field(row.problem) + "\r\n";
  }
  return text;
}

nlohmann::json google_json(const std::vector<Row>& rows, const nlohmann::json& machine) {
  nlohmann::json runs = nlohmann::json::array();
  for (const Row& row : rows) {
    nlohmann::json run = {{"name", row.name()},
                          {"run_name", row.name()},
                          {"run_type", "iteration"},
                          {"repetitions", 1},
                          {"repetition_index", 0},
                          {"threads", 1},
                          {"iterations", row.calls},
                          {"real_time", row.median * 1e9},
                          {"cpu_time", row.cpu_seconds * 1e9},
                          {"time_unit", "ns"}};
    for (const auto& [field, value] : words(row)) run[field] = value;
    for (const auto& [field, value] : sizes(row)) run[field] = value;
    run["tile_padding"] = row.tile_padding;
    if (std::isfinite(row.error)) run["error"] = row.error;
    run["tolerance"] = row.tolerance;
    if (row.has_time()) {
      for (const auto& [field, value] : figures(row)) {
        if (value) run[field] = number(*value);
      }
    } else {
      run["error_occurred"] = true;
      run["error_message"] = row.problem;
    }
    runs.push_back(std::move(run));
  }
  nlohmann::json context = {{"date", now_text()},
                            {"executable", "switchyard"},
                            {"num_cpus", machine.value("cores", 1)},
                            {"mhz_per_cpu", 0},
                            {"cpu_scaling_enabled", false},
                            {"caches", nlohmann::json::array()},
                            {"load_avg", nlohmann::json::array()},
                            {"library_build_type", "release"},
                            {"machine", machine}};
  return {{"context", std::move(context)}, {"benchmarks", std::move(runs)}};
}

}  // namespace switchyard::moe_bench
