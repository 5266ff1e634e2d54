#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "analysis/curvature/error_bars.h"
#include "analysis/curvature/operator.h"
#include "analysis/curvature/watch.h"
#include "engine/core/random.h"

namespace switchyard {

class ParameterBlock;

/// Fewer samples never end an estimate on its tolerance: their own scatter says too little.
inline constexpr int kLeastSamples = 8;

struct HutchinsonOptions {
  int samples = 10;  ///< probe vectors at most, one product each
  /// Stop when the probe's half-width (95 %) is at most this part of |mean|; 0 takes all samples.
  double tolerance = 0.0;
  Watch watch = {};
  /// Also sum up zᵀ(A z) over each part of this block alone; it must describe the vectors of A.
  const ParameterBlock* parts = nullptr;
};

struct TraceEstimate {
  double mean = 0.0;
  double standard_error = 0.0;  ///< of the probes (probe_scatter.h); NaN for one sample
  std::vector<double> samples;  ///< zᵀA z per probe; of XTrace its exchangeable estimates
  ErrorBars error = {};
  int products = 0;
  bool converged = false;  ///< there was a tolerance, and it was met
  /// part_samples[j][p]: what part p of the options' block adds to sample j; the mean over j is the
  /// trace of A's block on that part.
  std::vector<std::vector<double>> part_samples = {};
};

/// tr(A) ≈ mean of zᵀA z over Rademacher vectors z, unbiased, with variance 2·Σ_{i≠j} a_ij² per
/// sample (Hutchinson, 1990). Errors: samples < 1, a product that is not finite.
TraceEstimate hutchinson_trace(SymmetricOperator& a, Generator random,
                               HutchinsonOptions options = {});

/// {"mean", "standard_error", "samples", "products", "converged", "error"}: a results' `trace`.
nlohmann::json to_json(const TraceEstimate& estimate);

}  // namespace switchyard
