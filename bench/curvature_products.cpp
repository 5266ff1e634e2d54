#include <nlohmann/json.hpp>

#include "analysis/curvature/classifier_loss.h"
#include "analysis/curvature/product_cost.h"
#include "analysis/process_memory.h"
#include "bench/benchmark.h"
#include "bench/problem.h"

namespace switchyard::bench {
namespace {

nlohmann::json described(const ProductCost& cost, std::int64_t images) {
  nlohmann::json result = entry(cost.name, images, DType::kFloat32, cost.product);
  result["vectors"] = cost.vectors;
  result["gradient_seconds"] = cost.gradient.median();
  result["gradients_per_vector"] = cost.gradients_per_vector();
  result["graph_bytes"] = cost.graph_bytes;
  result["all_graphs_kept"] = cost.all_kept;
  return result;
}

nlohmann::json described(const MemoryPoint& point) {
  return {{"products", point.products},
          {"live_bytes", point.live_bytes},
          {"resident_bytes", point.resident_bytes}};
}

}  // namespace

nlohmann::json curvature_products(const BenchOptions& options) {
  const Problem problem(options, DType::kFloat32);
  reset_peak_resident_bytes();
  nlohmann::json result = nlohmann::json::array();
  for (const ProductCost& cost : product_costs(*problem.model, problem.batches(options.images),
                                               {.timing = options.timing,
                                               .block = options.block_vectors,
                                               .graph_memory_bytes = options.graph_memory_bytes})) {
    result.push_back(described(cost, options.images));
  }
  result.back()["peak_resident_bytes"] = peak_resident_bytes();
  return result;
}

nlohmann::json curvature_memory(const BenchOptions& options) {
  const std::vector<std::int64_t> counts = {1, 10, 100, 500};
  const Problem problem(options, DType::kFloat32);
  nlohmann::json result = nlohmann::json::array();
  for (const bool kept : {true, false}) {
    reset_peak_resident_bytes();
    LossHessian hessian = cross_entropy_hessian(
        *problem.model, problem.batches(options.images),
        kept ? graph_memory_of_system(options.device) : std::make_shared<GraphMemory>(0));
    nlohmann::json one = {{"name", kept ? "hessian_kept" : "hessian_rebuilt"},
                          {"batch", options.images},
                          {"memory", nlohmann::json::array()}};
    for (const MemoryPoint& point : memory_over_products(hessian, counts)) {
      one["memory"].push_back(described(point));
    }
    one["peak_resident_bytes"] = peak_resident_bytes();
    result.push_back(std::move(one));
  }
  return result;
}

}  // namespace switchyard::bench
