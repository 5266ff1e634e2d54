#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "analysis/curvature/classifier_loss.h"
#include "analysis/curvature/density.h"
#include "analysis/curvature/error_bars.h"
#include "analysis/curvature/hutchinson.h"
#include "analysis/curvature/lanczos.h"
#include "training/routing_statistics.h"

namespace switchyard {

struct CurvatureOptions {
  LanczosOptions lanczos = {};
  HutchinsonOptions hutchinson = {};
  DensityOptions density = {};
  /// Of gradient graphs that are kept between products; unset: half of what the system leaves.
  std::optional<std::size_t> graph_memory_bytes = {};

  std::shared_ptr<GraphMemory> graph_memory(Device device) const;
};

/// Curvature of the mean cross-entropy over one subset, in evaluation mode.
struct SubsetCurvature {
  std::int64_t images = 0;
  double loss = 0.0;
  LanczosResult largest_eigenvalue;
  ErrorBars eigenvalue_error;  ///< its residual by a product of its own, and the data's
  TraceEstimate trace;
  std::optional<RoutingMargin> routing_margin;  ///< sparse and hard heads
};

/// λ_max, its vector, and the trace of the Hessian with respect to all parameters of `model`.
/// Products are kept in the directory `products`, if one is given (product_journal.h):
/// measure_block() of all parameters with the same generator finds them there.
SubsetCurvature measure_curvature(Classifier& model, const std::vector<Batch>& batches,
                                  Generator random, CurvatureOptions options = {},
                                  const std::filesystem::path& products = {});

/// The largest_eigenvalue of measure_curvature() with the same generator and options, alone.
LanczosResult top_eigenvectors(Classifier& model, const std::vector<Batch>& batches,
                               Generator random, const CurvatureOptions& options = {});

/// `curvature.train` or `curvature.test` of a results file.
nlohmann::json to_json(const SubsetCurvature& curvature);

}  // namespace switchyard
