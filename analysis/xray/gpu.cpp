#include "analysis/xray/gpu.h"

#include <fmt/ranges.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/core/check.h"
#include "engine/core/suggest.h"
#include "engine/io/json.h"

namespace switchyard::xray {
namespace {

using nlohmann::json;

/// A kernel of 2.9 µs took 3.4 µs in a graph, the least that was seen between two launches: A.
/// Gray, "Getting Started with CUDA Graphs", NVIDIA, 2019 (a V100).
constexpr double kLaunchSeconds = 0.5e-6;

const std::vector<Gpu> kGpus = {
    {.key = "h100",
     .name = "NVIDIA H100 SXM5 80 GB",
     .source = "NVIDIA H100 Tensor Core GPU Architecture, V1.04, 2023, and its data sheet",
     .multiprocessors = 132,
     .clock = 1.98e9,
     .memory_bandwidth = 3.35e12,
     .cache_bytes = 50e6,
     .float32 = 66.9e12,
     .float64 = 33.5e12,
     .tensor_bfloat16 = 989.4e12,
     .tensor_tf32 = 494.7e12,
     .tensor_float64 = 66.9e12,
     .launch_seconds = kLaunchSeconds},
    {.key = "a100",
     .name = "NVIDIA A100 SXM4 80 GB",
     .source = "NVIDIA A100 Tensor Core GPU Architecture, V1.0, 2020, and its data sheet, 2021",
     .multiprocessors = 108,
     .clock = 1.41e9,
     .memory_bandwidth = 2.039e12,
     .cache_bytes = 40e6,
     .float32 = 19.5e12,
     .float64 = 9.7e12,
     .tensor_bfloat16 = 312e12,
     .tensor_tf32 = 156e12,
     .tensor_float64 = 19.5e12,
     .launch_seconds = kLaunchSeconds},
    {.key = "rtx4090",
     .name = "NVIDIA GeForce RTX 4090",
     .source = "NVIDIA Ada GPU Architecture, V2.02, 2023, appendix A",
     .multiprocessors = 128,
     .clock = 2.52e9,
     .memory_bandwidth = 1.008e12,
     .cache_bytes = 72e6,
     .float32 = 82.6e12,
     .float64 = 1.29e12,
     .tensor_bfloat16 = 165.2e12,
     .tensor_tf32 = 82.6e12,
     .launch_seconds = kLaunchSeconds},
    {.key = "t4",
     .name = "NVIDIA T4",
     .source = "NVIDIA Turing GPU Architecture, WP-09183-001, 2018, appendix A, and its data sheet",
     .multiprocessors = 40,
     .clock = 1.59e9,
     .memory_bandwidth = 320e9,
     .cache_bytes = 4e6,
     .float32 = 8.1e12,
     .float64 = 0.25e12,
     .launch_seconds = kLaunchSeconds},
};

double positive(const json& document, const std::string& field, const std::string& file) {
  check(document.contains(field) && document[field].is_number(), "{}: the number {} is missing",
        file, field);
  const double value = document[field];
  check(std::isfinite(value) && value > 0.0, "{}: {} must be above 0, got {}", file, field, value);
  return value;
}

std::optional<double> positive_or_null(const json& document, const std::string& field,
                                       const std::string& file) {
  if (!document.contains(field) || document[field].is_null()) return {};
  return positive(document, field, file);
}

std::string text_of(const json& document, const std::string& field, const std::string& file) {
  check(document.contains(field) && document[field].is_string(), "{}: the text {} is missing", file,
        field);
  return document[field];
}

Gpu read_gpu(const std::string& file) {
  const json document = read_json(file);
  check(document.is_object(), "{}: expected an object", file);
  Gpu gpu;
  gpu.key = file;
  gpu.name = text_of(document, "name", file);
  gpu.source = text_of(document, "source", file);
  const double multiprocessors = positive(document, "multiprocessors", file);
  check(multiprocessors <= 10000 && multiprocessors == std::floor(multiprocessors),
        "{}: multiprocessors must be a whole number up to 10000, got {}", file, multiprocessors);
  gpu.multiprocessors = static_cast<int>(multiprocessors);
  gpu.clock = positive(document, "clock", file);
  gpu.memory_bandwidth = positive(document, "memory_bandwidth", file);
  gpu.cache_bytes = positive(document, "cache_bytes", file);
  check(gpu.cache_bytes <= 2e9, "{}: cache_bytes must be at most 2e9, got {}", file,
        gpu.cache_bytes);
  gpu.float32 = positive(document, "float32", file);
  gpu.float64 = positive(document, "float64", file);
  gpu.tensor_bfloat16 = positive_or_null(document, "tensor_bfloat16", file);
  gpu.tensor_tf32 = positive_or_null(document, "tensor_tf32", file);
  gpu.tensor_float64 = positive_or_null(document, "tensor_float64", file);
  gpu.launch_seconds = positive_or_null(document, "launch_seconds", file).value_or(0.0);
  return gpu;
}

json or_null(const std::optional<double>& value) { return value ? json(*value) : json(nullptr); }

}  // namespace

const std::vector<Gpu>& gpus() { return kGpus; }

Gpu find_gpu(const std::string& name) {
  if (name.ends_with(".json")) return read_gpu(name);
  std::vector<std::string> known;
  for (const Gpu& gpu : kGpus) {
    if (gpu.key == name) return gpu;
    known.push_back(gpu.key);
  }
  throw UsageError(fmt::format("--gpu: no GPU '{}'{} (there are: {}; or a file that ends in .json)",
                               name, did_you_mean(name, known), fmt::join(known, ", ")));
}

json gpu_json(const Gpu& gpu) {
  return {{"name", gpu.name},
          {"source", gpu.source},
          {"multiprocessors", gpu.multiprocessors},
          {"clock", gpu.clock},
          {"memory_bandwidth", gpu.memory_bandwidth},
          {"cache_bytes", gpu.cache_bytes},
          {"float32", gpu.float32},
          {"float64", gpu.float64},
          {"tensor_bfloat16", or_null(gpu.tensor_bfloat16)},
          {"tensor_tf32", or_null(gpu.tensor_tf32)},
          {"tensor_float64", or_null(gpu.tensor_float64)},
          {"launch_seconds", gpu.launch_seconds}};
}

}  // namespace switchyard::xray
