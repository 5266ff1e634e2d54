#include "analysis/verdicts/statistics.h"

#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <limits>

#include "analysis/curvature/error_bars.h"
#include "engine/core/check.h"

namespace switchyard {
namespace {

using StudentsT = boost::math::students_t_distribution<double>;

double mean_of(std::span<const double> values) {
  double sum = 0.0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

/// The sample standard deviation, in two passes because values may lie close together.
double deviation_of(std::span<const double> values, double mean) {
  double squares = 0.0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

/// Two-sided probability of a mean this far from zero. Values that are all equal leave no doubt.
double p_value_of(const StudentsT& distribution, double mean, double error) {
  if (error == 0.0) return mean == 0.0 ? 1.0 : 0.0;
  return 2.0 * boost::math::cdf(boost::math::complement(distribution, std::abs(mean) / error));
}

}  // namespace

SeedMean seed_mean(std::span<const double> values, double level) {
  check<UsageError>(level > 0.0 && level < 1.0, "confidence level must be in (0, 1), got {}",
                    level);
  check(!values.empty(), "mean over seeds: no value");
  for (const double value : values) {
    check(std::isfinite(value), "mean over seeds: a value is {}", value);
  }
  SeedMean result{.count = values.size(), .mean = mean_of(values), .level = level};
  if (values.size() < 2) {
    result.deviation = std::numeric_limits<double>::quiet_NaN();
    result.low = -std::numeric_limits<double>::infinity();
    result.high = std::numeric_limits<double>::infinity();
    return result;
  }
  result.deviation = deviation_of(values, result.mean);
  const double error = result.deviation / std::sqrt(static_cast<double>(values.size()));
  const StudentsT distribution(static_cast<double>(values.size() - 1));
  const double t = student_t(level, distribution.degrees_of_freedom());
  result.low = result.mean - t * error;
  result.high = result.mean + t * error;
  result.p_value = p_value_of(distribution, result.mean, error);
  return result;
}

}  // namespace switchyard
