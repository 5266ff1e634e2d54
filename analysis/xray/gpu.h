#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace switchyard::xray {

/// What a GPU can do at most, as its maker states it: dense rates at the boost clock.
struct Gpu {
  std::string key;     ///< "h100"
  std::string name;    ///< "NVIDIA H100 SXM5 80 GB"
  std::string source;  ///< where the figures stand
  int multiprocessors = 0;
  double clock = 0.0;             ///< Hz
  double memory_bandwidth = 0.0;  ///< bytes a second
  double cache_bytes = 0.0;       ///< of the L2
  double float32 = 0.0;           ///< flops a second
  double float64 = 0.0;
  /// Flops a second of the tensor cores; nothing where they lack the type.
  std::optional<double> tensor_bfloat16 = {};
  std::optional<double> tensor_tf32 = {};
  std::optional<double> tensor_float64 = {};
  /// Seconds that a launch takes beside its kernel, one after the other in a stream.
  double launch_seconds = 0.0;

  /// Warp instructions a second: four schedulers a multiprocessor issue one a clock each.
  double issue_rate() const { return 4.0 * multiprocessors * clock; }
  /// Turns of shared memory a second: one a clock and multiprocessor.
  double turn_rate() const { return 1.0 * multiprocessors * clock; }
};

/// The GPUs that are known by name.
const std::vector<Gpu>& gpus();
/// One of them, or of a file that ends in .json with the fields of gpu_json(). Errors: UsageError
/// listing the names; Error naming file and field.
Gpu find_gpu(const std::string& name);
nlohmann::json gpu_json(const Gpu& gpu);

}  // namespace switchyard::xray
