#include "analysis/xray/measures.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace switchyard::xray {
namespace {

using nlohmann::json;

double compulsory_bytes(const json& run) {
  return run.at("compulsory").is_null() ? 0.0 : run.at("compulsory").at("bytes").get<double>();
}
double waits(const json& run) {
  double sum = 0.0;
  for (const json& pass : run.at("passes")) sum += pass.at("waits").get<double>();
  return sum;
}
double total(const json& run, const char* path) {
  return run.at("total").at(json::json_pointer(path)).get<double>();
}

/// Each measure's name and what it is of a run.
struct Measure {
  std::string name;
  double (*of)(const json& run);
};
const std::vector<Measure>& measures() {
  static const std::vector<Measure> all = {
      {"launches", [](const json& run) { return run.at("launched").get<double>(); }},
      {"waits", waits},
      {"warp_instructions", [](const json& run) { return total(run, "/warp_instructions"); }},
      {"sectors", [](const json& run) { return total(run, "/global/sectors"); }},
      {"ideal_sectors", [](const json& run) { return total(run, "/global/ideal_sectors"); }},
      {"turns", [](const json& run) { return total(run, "/shared/turns"); }},
      {"ideal_turns", [](const json& run) { return total(run, "/shared/ideal_turns"); }},
      {"collisions", [](const json& run) { return total(run, "/atomics/collisions"); }},
      {"local_bytes", [](const json& run) { return total(run, "/local/bytes"); }},
      {"flops", [](const json& run) { return total(run, "/flops"); }},
      {"tensor_flops", [](const json& run) { return total(run, "/tensor_flops"); }},
      {"moved_bytes", [](const json& run) { return total(run, "/moved_bytes"); }},
      {"compulsory_bytes", compulsory_bytes}};
  return all;
}

}  // namespace

Measures measures_of(const json& run) {
  Measures values;
  for (const Measure& each : measures()) values.emplace_back(each.name, each.of(run));
  return values;
}

const std::vector<std::string>& measure_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const Measure& each : measures()) all.push_back(each.name);
    return all;
  }();
  return names;
}

double measure(const Measures& measures, const std::string& name) {
  for (const auto& [each, value] : measures) {
    if (each == name) return value;
  }
  throw std::out_of_range("no measure " + name);
}

std::map<std::string, json> by_kernel(const json& run) {
  std::map<std::string, json> kernels;
  for (const json& launch : run.at("launches")) {
    json& kernel = kernels[launch.at("name")];
    if (kernel.is_null()) {
      kernel = {{"launched", 1},
                {"passes", json::array()},
                {"compulsory", nullptr},
                {"total", launch.at("total")}};
      continue;
    }
    kernel["launched"] = kernel["launched"].get<int>() + 1;
    const json counts = launch.at("total").flatten();
    for (const auto& [path, value] : counts.items()) {
      if (!value.is_number()) continue;  // an object without fields
      json& sum = kernel["total"][json::json_pointer(path)];
      sum = (sum.is_null() ? 0 : sum.get<std::uint64_t>()) + value.get<std::uint64_t>();
    }
  }
  return kernels;
}

double dram_bytes(const json& run, double cache_bytes) {
  double bytes = 0.0;
  for (const json& launch : run["launches"]) {
    if (!launch.contains("cache")) continue;
    const json& curve = launch["cache"]["curve"];
    // The last size holds all that was touched, as every larger one does.
    const auto fits = std::find_if(curve.begin(), curve.end(), [&](const json& point) {
      return point["cache_bytes"].get<double>() >= cache_bytes;
    });
    const json& point = fits == curve.end() ? curve.back() : *fits;
    bytes += point["read_bytes"].get<double>() + point["written_bytes"].get<double>();
  }
  return bytes;
}

double moved_over_compulsory(const Measures& measures) {
  const double compulsory = measure(measures, "compulsory_bytes");
  return compulsory == 0.0 ? 0.0 : measure(measures, "moved_bytes") / compulsory;
}

}  // namespace switchyard::xray
