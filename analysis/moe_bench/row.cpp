#include "analysis/moe_bench/row.h"

#include <fmt/format.h>

#include <cmath>
#include <ctime>
#include <functional>
#include <nlohmann/json.hpp>
#include <utility>

namespace switchyard::moe_bench {
namespace {

double quotient(double a, double b) { return b > 0.0 ? a / b : 0.0; }

/// The figures of a row that follow from the others, each with its name in CSV and JSON.
using Figure = std::pair<const char*, std::function<double(const Row&)>>;
const std::vector<Figure>& figures() {
  static const std::vector<Figure> all = {
      {"p20_ns", [](const Row& r) { return r.p20 * 1e9; }},
      {"p80_ns", [](const Row& r) { return r.p80 * 1e9; }},
      {"timed_calls", [](const Row& r) { return static_cast<double>(r.calls); }},
      {"kernels", [](const Row& r) { return static_cast<double>(r.counts.kernels); }},
      {"launches", [](const Row& r) { return static_cast<double>(r.counts.launches); }},
      {"host_waits", [](const Row& r) { return static_cast<double>(r.counts.host_waits); }},
      {"bytes_moved", [](const Row& r) { return r.counts.bytes; }},
      {"compulsory_bytes", [](const Row& r) { return r.compulsory_bytes; }},
      {"bytes_ratio", [](const Row& r) { return quotient(r.counts.bytes, r.compulsory_bytes); }},
      {"bytes_per_second", [](const Row& r) { return quotient(r.counts.bytes, r.median); }},
      {"share_of_copy",
       [](const Row& r) { return quotient(quotient(r.counts.bytes, r.median), r.rates.copy); }},
      {"flops", [](const Row& r) { return r.flops; }},
      {"flops_per_second", [](const Row& r) { return quotient(r.flops, r.median); }},
      {"share_of_product",
       [](const Row& r) { return quotient(quotient(r.flops, r.median), r.rates.product); }},
      {"copy_bytes_per_second", [](const Row& r) { return r.rates.copy; }},
      {"product_flops_per_second", [](const Row& r) { return r.rates.product; }},
  };
  return all;
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

std::string percent(double part, double whole) {
  return whole > 0.0 ? fmt::format("{:.0f}%", 100.0 * part / whole) : "-";
}

std::string rate(double per_second, double whole) {
  return per_second > 0.0
             ? fmt::format("{:.1f} {:>5}", per_second * 1e-9, percent(per_second, whole))
             : "-";
}

std::string heading_of(const Row& r) {
  std::string text = fmt::format("{} {} {} on {}: {}", r.benchmark, name(r.order), name(r.dtype),
                                 name(r.device), r.workload.to_string());
  if (r.active > 0) text += fmt::format(", {} experts with tokens", r.active);
  if (r.rates.copy > 0.0) {
    text += fmt::format("; a copy {:.1f} GB/s, a dense product {:.1f} GFLOP/s", r.rates.copy * 1e-9,
                        r.rates.product * 1e-9);
  }
  return text;
}

std::string line_of(const Row& r) {
  const std::string what = r.stage == "layer" || r.stage == r.variant ? r.variant
                           : r.variant.starts_with(r.stage)           ? r.variant
                                                                      : r.stage + " " + r.variant;
  if (!r.has_time()) return fmt::format("  {:<36} {}\n", what, r.problem);
  return fmt::format(
      "  {:<36} {:>10} {:>23} {:>4} {:>4} {:>4} {:>9.2f} {:>9.2f} {:>6.2f} {:>12} {:>14} "
      "{:>8.1e}\n",
      what, time_text(r.median), time_text(r.p20) + " - " + time_text(r.p80), r.counts.kernels,
      r.counts.launches, r.counts.host_waits, r.counts.bytes * 1e-6, r.compulsory_bytes * 1e-6,
      quotient(r.counts.bytes, r.compulsory_bytes),
      rate(quotient(r.counts.bytes, r.median), r.rates.copy),
      rate(quotient(r.flops, r.median), r.rates.product), r.error);
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
  std::string text;
  std::string heading;
  for (const Row& row : rows) {
    const std::string next = heading_of(row);
    if (next != heading) {
      heading = next;
      text += heading + "\n";
      text += fmt::format(
          "  {:<36} {:>10} {:>23} {:>4} {:>4} {:>4} {:>9} {:>9} {:>6} {:>12} {:>14} {:>8}\n",
          "variant", "time", "p20 - p80", "kern", "grid", "wait", "MB moved", "MB least", "ratio",
          "GB/s  copy", "GFLOP/s  dense", "error");
    }
    text += line_of(row);
  }
  return text;
}

std::string csv_text(const std::vector<Row>& rows) {
  std::string text = "name";
  const Row none;
  for (const auto& [field, value] : words(none)) text += fmt::format(",{}", field);
  for (const auto& [field, value] : sizes(none)) text += fmt::format(",{}", field);
  text += ",time_ns,cpu_ns,error,tolerance";
  for (const auto& [field, value] : figures()) text += fmt::format(",{}", field);
  text += ",problem\r\n";
  for (const Row& row : rows) {
    text += csv_field(row.name());
    for (const auto& [field, value] : words(row)) text += "," + csv_field(value);
    for (const auto& [field, value] : sizes(row)) text += fmt::format(",{}", value);
    const bool timed = row.has_time();
    text += timed ? fmt::format(",{},{}", row.median * 1e9, row.cpu_seconds * 1e9) : ",,";
    text += fmt::format(",{},{}", row.error, row.tolerance);
    for (const auto& [field, value] : figures()) {
      text += timed ? fmt::format(",{}", value(row)) : ",";
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
    if (std::isfinite(row.error)) run["error"] = row.error;
    run["tolerance"] = row.tolerance;
    if (row.has_time()) {
      for (const auto& [field, value] : figures()) run[field] = number(value(row));
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
