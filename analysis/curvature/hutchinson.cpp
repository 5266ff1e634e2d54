#include "analysis/curvature/hutchinson.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "analysis/curvature/parameter_block.h"
#include "analysis/curvature/probe_scatter.h"
#include "analysis/curvature/vectors.h"
#include "engine/core/check.h"

namespace switchyard {
namespace {

std::vector<double> forms_of_parts(const ParameterBlock& block, const ParameterVector& z,
                                   const ParameterVector& az) {
  std::vector<double> forms;
  for (std::size_t p = 0; p < block.parts().size(); ++p) {
    const Tensor left = block.part(z, p);
    const Tensor right = block.part(az, p);
    forms.push_back(dot(std::span(&left, 1), std::span(&right, 1)));
  }
  return forms;
}

}  // namespace

TraceEstimate hutchinson_trace(SymmetricOperator& a, Generator random, HutchinsonOptions options) {
  check<UsageError>(options.samples >= 1, "[hutchinson] needs at least one sample, got {}",
                    options.samples);
  TraceEstimate estimate;
  std::vector<std::vector<double>> forms;
  ProbeScatter scatter;
  bool stopped = false;
  while (!stopped && !estimate.converged && estimate.products < options.samples) {
    const ParameterVector z = random_sign_like(a.like(), random);
    Products product = a.apply_block(std::span(&z, 1));
    ++estimate.products;
    estimate.samples.push_back(dot(z, product.vectors[0]));
    check(std::isfinite(estimate.samples.back()), "[hutchinson] product {} is not finite",
          estimate.products);
    scatter.add(z, product.vectors[0]);
    if (!product.forms.empty()) forms.push_back(std::move(product.forms[0]));
    if (options.parts != nullptr) {
      estimate.part_samples.push_back(forms_of_parts(*options.parts, z, product.vectors[0]));
    }
    const auto n = static_cast<double>(estimate.products);
    estimate.mean = std::accumulate(estimate.samples.begin(), estimate.samples.end(), 0.0) / n;
    estimate.error.probe = scatter.error_of_mean();
    const double width = estimate.error.probe_half_width();
    estimate.converged = options.tolerance > 0.0 && estimate.products >= kLeastSamples &&
                         width <= options.tolerance * std::abs(estimate.mean);
    stopped = !goes_on(options.watch, {"trace", estimate.mean, width, estimate.products});
  }
  estimate.standard_error = estimate.error.probe.value;
  estimate.error.data =
      forms.empty() ? StandardError::unknown() : data_error(a.group_weights(), forms);
  return estimate;
}

nlohmann::json to_json(const TraceEstimate& estimate) {
  return {{"mean", estimate.mean},
          {"standard_error", estimate.standard_error},
          {"samples", estimate.samples.size()},
          {"products", estimate.products},
          {"converged", estimate.converged},
          {"error", to_json(estimate.error)}};
}

}  // namespace switchyard
