#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "analysis/operators.h"
#include "engine/core/random.h"

namespace switchyard {

struct HutchinsonOptions {
  int samples = 10;  ///< probe vectors, one product each
};

struct TraceEstimate {
  double mean = 0.0;
  double standard_error = 0.0;  ///< sample deviation / √samples; NaN for one sample
  std::vector<double> samples;  ///< zᵀA z per probe
};

/// tr(A) ≈ mean of zᵀA z over Rademacher vectors z, unbiased, with variance 2·Σ_{i≠j} a_ij² per
/// sample (Hutchinson, 1990). Errors: samples < 1, a product that is not finite.
TraceEstimate hutchinson_trace(SymmetricOperator& a, Generator random,
                               HutchinsonOptions options = {});

/// {"mean", "standard_error", "samples"}: `trace` of a results file.
nlohmann::json to_json(const TraceEstimate& estimate);

}  // namespace switchyard
