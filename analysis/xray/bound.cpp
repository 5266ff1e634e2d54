#include "analysis/xray/bound.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "analysis/xray/measures.h"

namespace switchyard::xray {
namespace {

using nlohmann::json;
using Parts = std::map<std::string, double>;  // seconds

double vector_rate(const Gpu& gpu, const std::string& dtype) {
  return dtype == "float64" ? gpu.float64 : gpu.float32;
}

/// The tensor cores' rate for operands of a run's dtype; nothing where they lack it.
std::optional<double> tensor_rate(const Gpu& gpu, const std::string& dtype) {
  if (dtype == "float64") return gpu.tensor_float64;
  return dtype == "bfloat16" ? gpu.tensor_bfloat16 : gpu.tensor_tf32;
}

std::pair<std::string, double> largest(const Parts& parts) {
  return *std::max_element(parts.begin(), parts.end(),
                           [](const auto& a, const auto& b) { return a.second < b.second; });
}

Parts launch_parts(const json& counts, const Gpu& gpu, const std::string& dtype) {
  const json& kinds = counts["kinds"];
  const double issued = counts["warp_instructions"].get<double>() - kinds.value("move", 0.0) -
                        kinds.value("constant", 0.0);
  // Without the type on tensor cores nothing is known of how long its products take: no bound.
  const std::optional<double> tensor = tensor_rate(gpu, dtype);
  return {{"flops", counts["flops"].get<double>() / vector_rate(gpu, dtype)},
          {"tensor_flops", tensor ? counts["tensor_flops"].get<double>() / *tensor : 0.0},
          {"issue", issued / gpu.issue_rate()},
          {"shared_turns", counts["shared"]["turns"].get<double>() / gpu.turn_rate()}};
}

json bound_json(double seconds, const std::string& limited_by, const Parts& parts) {
  return {{"seconds", seconds}, {"limited_by", limited_by}, {"parts", parts}};
}

/// Bytes that DRAM moves at least, and what says so.
struct MemoryBytes {
  double count = 0.0;
  const char* source = "compulsory";
};

/// What one launch makes a cache of the GPU's size miss, where that was measured and is more than
/// the compulsory bytes. Of several launches a later one may find in the cache what an earlier one
/// left there, which each launch's own curve does not know.
MemoryBytes memory_bytes(const json& run, const Gpu& gpu) {
  MemoryBytes bytes;
  if (!run["compulsory"].is_null()) bytes.count = run["compulsory"]["bytes"].get<double>();
  if (run["launches"].size() != 1) return bytes;
  const double missed = dram_bytes(run, gpu.cache_bytes);
  return missed > bytes.count ? MemoryBytes{missed, "cache"} : bytes;
}

void add_to_run(json& run, const Gpu& gpu) {
  const std::string dtype = run.value("dtype", "");
  Parts all;
  double kernels = 0.0;
  for (json& launch : run["launches"]) {
    const Parts parts = launch_parts(launch["total"], gpu, dtype);
    const auto [limit, seconds] = largest(parts);
    launch["bound"] = bound_json(seconds + gpu.launch_seconds, limit, parts);
    for (const auto& [name, part] : parts) all[name] += part;
    kernels += seconds;
  }
  if (all.empty()) {
    run["bound"] = nullptr;  // nothing ran
    return;
  }
  const MemoryBytes bytes = memory_bytes(run, gpu);
  const double memory = bytes.count / gpu.memory_bandwidth;
  const std::string limit = memory > kernels ? "memory" : largest(all).first;
  const double launches = gpu.launch_seconds * static_cast<double>(run["launches"].size());
  const double seconds = std::max(memory, kernels) + launches;
  all["memory"] = memory;
  all["launches"] = launches;
  run["bound"] =
      bound_json(seconds, launches > std::max(memory, kernels) ? "launches" : limit, all);
  run["bound"]["memory_bytes"] = bytes.count;
  run["bound"]["memory_bytes_of"] = bytes.source;
  if (!tensor_rate(gpu, dtype) && run["total"]["tensor_flops"] != 0) {
    run["bound"]["lacks"] = "tensor cores for " + dtype;
  }
}

}  // namespace

void add_bounds(json& document, const Gpu& gpu) {
  document["gpu"] = gpu_json(gpu);
  for (json& run : document["ladder"]) add_to_run(run, gpu);
}

}  // namespace switchyard::xray
