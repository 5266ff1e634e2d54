#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "analysis/timing.h"
#include "engine/core/device.h"
#include "engine/core/dtype.h"
#include "models/model_config.h"

namespace switchyard::bench {

struct BenchOptions {
  ModelConfig model;
  std::int64_t batch = 128;
  std::int64_t images = 128;      ///< of curvature_*: cut into batches
  std::size_t block_vectors = 8;  ///< of curvature_products()
  std::optional<std::size_t> graph_memory_bytes =
      {};  ///< its graphs'; unset: what the system leaves
  Device device = Device::kCpu;
  TimingOptions timing;
};

// Each function is one benchmark, for images of 32x32. Returns an array of entry()s. Results are
// compared with their reference before anything is timed: a wrong one throws.

/// Forward, backward and SGD step in training mode, and the process's peak resident memory so far.
nlohmann::json train_step(const BenchOptions& options);
/// InferencePlan::logits().
nlohmann::json inference(const BenchOptions& options);
/// Loss and gradient, Hessian-vector product from scratch and on a kept graph, evaluation mode.
nlohmann::json hessian_product(const BenchOptions& options, DType dtype);
/// product_costs() over all images: seconds, and gradients of all images per vector.
nlohmann::json curvature_products(const BenchOptions& options);
/// memory_over_products() of the Hessian after 1, 10, 100 and 500 products, kept and rebuilt.
nlohmann::json curvature_memory(const BenchOptions& options);
/// The convolutions of ResNet-18 alone, called directly in oneDNN on the CPU: a lower bound for the
/// others.
nlohmann::json convolutions(const BenchOptions& options);

/// {"name", "batch", "dtype", "repeats", "seconds": {"median", "p20", "p80"}, "images_per_second"}.
nlohmann::json entry(const std::string& name, std::int64_t batch, DType dtype,
                     const Timing& timing);

}  // namespace switchyard::bench
