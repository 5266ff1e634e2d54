#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/curvature/operator.h"
#include "analysis/timing.h"
#include "data/loader.h"
#include "models/classifier.h"

namespace switchyard {

/// What one call of an operator costs beside the gradient of the same loss, timed in turns with it.
struct ProductCost {
  std::string name;  ///< such as "hessian_kept"
  std::size_t vectors = 1;
  Timing gradient, product;
  std::size_t graph_bytes = 0;  ///< of the gradient graphs that stay in memory between calls
  bool all_kept = true;         ///< false where some graph found no room, or none was to be kept

  /// Medians: seconds of a call over vectors and seconds of a gradient.
  double gradients_per_vector() const;
};

struct CostOptions {
  TimingOptions timing = {};
  std::size_t block = 8;  ///< vectors of a block; 0: no blocks
  /// Bytes for the graphs that are kept; unset: graph_memory_of_system().
  std::optional<std::size_t> graph_memory_bytes = {};
};

/// Costs of products with the mean cross-entropy of `model` over `batches`, in evaluation mode,
/// with respect to all parameters: of the Hessian with kept and with rebuilt graphs, one vector and
/// a block each, of its block of the head, and of Gauss-Newton and the empirical Fisher matrix,
/// kept. Kept graphs of one matrix are given back before the next. The Hessian's products
/// that were timed are compared, kept and rebuilt, of one vector and as the first of a block: Error
/// where they differ.
std::vector<ProductCost> product_costs(Classifier& model, const std::vector<Batch>& batches,
                                       const CostOptions& options);

/// Memory of this process after so many products with one operator.
struct MemoryPoint {
  std::int64_t products = 0;
  std::size_t live_bytes = 0;       ///< tensors of the engine on the operator's device
  std::int64_t resident_bytes = 0;  ///< of the process; 0 where that cannot be told
};

/// Multiplies until each of the ascending `counts` is reached and notes the memory there.
std::vector<MemoryPoint> memory_over_products(SymmetricOperator& a,
                                              std::span<const std::int64_t> counts);

}  // namespace switchyard
