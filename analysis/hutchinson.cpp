#include "analysis/hutchinson.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "analysis/vectors.h"
#include "engine/core/check.h"

namespace switchyard {

TraceEstimate hutchinson_trace(SymmetricOperator& a, Generator random, HutchinsonOptions options) {
  check<UsageError>(options.samples >= 1, "[hutchinson] needs at least one sample, got {}",
                    options.samples);
  TraceEstimate estimate;
  for (int i = 0; i < options.samples; ++i) {
    const std::vector<Tensor> z = random_sign_like(a.like(), random);
    estimate.samples.push_back(dot(z, a.apply(z)));
    check(std::isfinite(estimate.samples.back()), "[hutchinson] product {} is not finite", i + 1);
  }
  const auto n = static_cast<double>(options.samples);
  estimate.mean = std::accumulate(estimate.samples.begin(), estimate.samples.end(), 0.0) / n;
  double squares = 0.0;
  for (double sample : estimate.samples) {
    squares += (sample - estimate.mean) * (sample - estimate.mean);
  }
  // One sample says nothing about its error: 0/0.
  estimate.standard_error = options.samples > 1 ? std::sqrt(squares / (n - 1.0) / n)
                                                : std::numeric_limits<double>::quiet_NaN();
  return estimate;
}

nlohmann::json to_json(const TraceEstimate& estimate) {
  return {{"mean", estimate.mean},
          {"standard_error", estimate.standard_error},
          {"samples", estimate.samples.size()}};
}

}  // namespace switchyard
