#include "analysis/curvature/probe_scatter.h"

#include <algorithm>
#include <cmath>

#include "analysis/curvature/vectors.h"
#include "engine/autograd/node.h"
#include "engine/ops/elementwise.h"

namespace switchyard {

void ProbeScatter::add(const ParameterVector& z, const ParameterVector& az) {
  const NoGrad no_grad;
  ParameterVector d;
  for (std::size_t i = 0; i < z.size(); ++i) d.push_back(z[i] * az[i]);
  if (mean_.empty()) {
    mean_ = std::move(d);
    return;
  }
  const auto count = static_cast<double>(contrasts_.size() + 2);
  axpy(-1.0, mean_, d);
  contrasts_.push_back(std::sqrt((count - 1.0) / count) * norm(d));
  axpy(1.0 / count, d, mean_);
}

StandardError ProbeScatter::error_of_mean() const {
  if (contrasts_.empty()) return StandardError::unknown();
  const auto freedom = static_cast<double>(contrasts_.size());
  // Squares in units of the greatest: curvatures of any magnitude stay within a double's range.
  const double unit = *std::max_element(contrasts_.begin(), contrasts_.end());
  if (!(unit > 0.0)) return {unit, freedom};
  double mean = 0.0;
  for (const double x : contrasts_) mean += (x / unit) * (x / unit) / freedom;
  double shown = 0.0;  // the inverse of the freedom that the contrasts show
  for (const double x : contrasts_) {
    const double rest = (x / unit) * (x / unit) / mean - 1.0;
    if (freedom > 1.0) shown += rest * rest / (2.0 * freedom * (freedom - 1.0));
  }
  return {unit * std::sqrt(2.0 * mean / (freedom + 1.0)), 2.0 / (1.0 / freedom + shown)};
}

}  // namespace switchyard
