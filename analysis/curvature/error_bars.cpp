#include "analysis/curvature/error_bars.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "engine/core/check.h"

namespace switchyard {
namespace {

constexpr double kCoverage = 0.95;

double half_width(const StandardError& error) {
  if (error.value == 0.0 || std::isnan(error.value)) return error.value;
  return error.value * student_t(kCoverage, error.degrees_of_freedom);
}

/// √Σ w_i (x_i - x̄)² with x̄ = Σ w_i x_i. In units of the greatest entry: the squares of curvatures
/// of any magnitude stay within a double's range.
double weighted_deviation(std::span<const double> weights, std::span<const double> values) {
  const double mean = std::inner_product(weights.begin(), weights.end(), values.begin(), 0.0);
  double unit = 0.0;
  for (const double value : values) unit = std::max(unit, std::abs(value - mean));
  if (!(unit > 0.0)) return unit;
  double sum = 0.0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double x = (values[i] - mean) / unit;
    sum += weights[i] * x * x;
  }
  return unit * std::sqrt(sum);
}

nlohmann::json number_or_null(double value) {
  return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json();
}

}  // namespace

double student_t(double probability, double degrees_of_freedom) {
  check<UsageError>(probability > 0.0 && probability < 1.0 && degrees_of_freedom >= 1.0,
                    "[student_t] needs a probability between 0 and 1 and a degree of freedom, got "
                    "{} and {}",
                    probability, degrees_of_freedom);
  const boost::math::students_t_distribution<double> distribution(degrees_of_freedom);
  return boost::math::quantile(boost::math::complement(distribution, (1.0 - probability) / 2.0));
}

double ErrorBars::probe_half_width() const { return half_width(probe); }

double ErrorBars::data_half_width() const { return half_width(data); }

double ErrorBars::total_half_width() const {
  const double both = std::hypot(probe.value, data.value);
  if (!(both > 0.0)) return both + iteration;  // 0, or unknown
  const double p = std::pow(probe.value / both, 4);
  const double d = std::pow(data.value / both, 4);
  const double freedom = 1.0 / (p / probe.degrees_of_freedom + d / data.degrees_of_freedom);
  return half_width({both, freedom}) + iteration;
}

nlohmann::json to_json(const ErrorBars& error) {
  return {{"probe", number_or_null(error.probe_half_width())},
          {"iteration", number_or_null(error.iteration)},
          {"data", number_or_null(error.data_half_width())},
          {"total", number_or_null(error.total_half_width())}};
}

StandardError standard_error_of_mean(std::span<const double> samples) {
  const std::vector<double> equal(samples.size(), 1.0 / static_cast<double>(samples.size()));
  return data_error(equal, samples);
}

StandardError data_error(std::span<const double> group_weights, std::span<const double> values) {
  if (values.size() < 2) return StandardError::unknown();
  const auto freedom = static_cast<double>(values.size() - 1);
  return {weighted_deviation(group_weights, values) / std::sqrt(freedom), freedom};
}

StandardError data_error(std::span<const double> group_weights,
                         const std::vector<std::vector<double>>& forms) {
  const std::size_t groups = group_weights.size();
  const std::size_t probes = forms.size();
  if (groups < 2 || probes == 0) return StandardError::unknown();
  std::vector<double> means(groups);
  for (const std::vector<double>& form : forms) {
    for (std::size_t i = 0; i < groups; ++i) means[i] += form[i] / static_cast<double>(probes);
  }
  StandardError error = data_error(group_weights, means);
  if (probes < 2) return error;
  // What groups and probes do together: each probe's forms without the groups' means.
  double interaction = 0.0;
  for (std::vector<double> rest : forms) {
    for (std::size_t i = 0; i < groups; ++i) rest[i] -= means[i];
    interaction = std::hypot(interaction, weighted_deviation(group_weights, rest));
  }
  const auto freedom = static_cast<double>((groups - 1) * (probes - 1));
  const double counted_twice = interaction / std::sqrt(freedom * static_cast<double>(probes));
  const double ratio = error.value > 0.0 ? counted_twice / error.value : 0.0;
  error.value *= std::sqrt(std::max(1.0 - ratio * ratio, 0.0));
  return error;
}

}  // namespace switchyard
