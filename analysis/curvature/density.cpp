#include "analysis/curvature/density.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <numbers>
#include <numeric>

#include "analysis/curvature/error_bars.h"
#include "analysis/curvature/krylov_space.h"
#include "engine/core/check.h"

namespace switchyard {
namespace {

using Points = std::vector<SpectralDensity::Point>;

Points quadrature(const KrylovSpace& space) {
  Points points;
  for (int i = 0; i < space.products(); ++i) {
    points.push_back({space.ritz(i).value, space.weight(i)});
  }
  return points;
}

/// Mean over probes of Σ weight · f(value).
template <class F>
SpectralDensity::Share mean_of(const std::vector<Points>& probes, F f) {
  std::vector<double> sums;
  for (const Points& points : probes) {
    double sum = 0.0;
    for (const SpectralDensity::Point& point : points) sum += point.weight * f(point.value);
    sums.push_back(sum);
  }
  return {std::accumulate(sums.begin(), sums.end(), 0.0) / static_cast<double>(sums.size()),
          standard_error_of_mean(sums).value};
}

nlohmann::json curve(const SpectralDensity& density) {
  constexpr int kPoints = 200;
  const double width = density.resolution;
  if (!(width > 0.0)) return nullptr;  // one eigenvalue: no curve, a point
  const double begin = density.smallest - 3.0 * width;
  const double end = density.largest + 3.0 * width;
  std::vector<double> x, mean, error;
  for (int i = 0; i < kPoints; ++i) {
    x.push_back(begin + (end - begin) * i / (kPoints - 1));
    const SpectralDensity::Share share = density.smoothed(x.back(), width);
    mean.push_back(share.mean);
    error.push_back(share.standard_error);
  }
  return {{"x", x}, {"density", mean}, {"standard_error", error}};
}

}  // namespace

SpectralDensity::Share SpectralDensity::below(double x) const {
  return mean_of(probes, [x](double value) { return value <= x ? 1.0 : 0.0; });
}

SpectralDensity::Share SpectralDensity::moment(int k) const {
  return mean_of(probes, [k](double value) { return std::pow(value, k); });
}

SpectralDensity::Share SpectralDensity::smoothed(double x, double width) const {
  const double height = 1.0 / (width * std::sqrt(2.0 * std::numbers::pi));
  return mean_of(probes, [=](double value) {
    const double z = (x - value) / width;
    return height * std::exp(-0.5 * z * z);
  });
}

SpectralDensity spectral_density(SymmetricOperator& a, Generator random, DensityOptions options) {
  check<UsageError>(options.probes >= 1 && options.steps >= 1,
                    "[density] needs at least one probe and one step, got {} and {}",
                    options.probes, options.steps);
  SpectralDensity result;
  bool stopped = false;
  int fewest_steps = options.steps;
  for (int probe = 0; probe < options.probes && !stopped; ++probe) {
    // Counted as the starts of eigenpairs().
    KrylovSpace space(a, random.fork(static_cast<std::uint64_t>(probe) + 1));
    while (!stopped && !space.exhausted() && space.products() < options.steps) {
      space.extend();
      ++result.products;
      stopped =
          !goes_on(options.watch, {"density", space.largest().value,
                                   std::numeric_limits<double>::quiet_NaN(), result.products});
    }
    // A rule that was cut short resolves less than the others; the first one is all there is.
    const bool whole = space.exhausted() || space.products() == options.steps;
    if (!whole && !result.probes.empty()) break;
    if (!space.exhausted()) fewest_steps = std::min(fewest_steps, space.products());
    result.probes.push_back(quadrature(space));
  }
  result.complete = static_cast<int>(result.probes.size()) == options.probes && !stopped;
  result.smallest = std::numeric_limits<double>::infinity();
  result.largest = -result.smallest;
  for (const Points& points : result.probes) {
    result.smallest = std::min(result.smallest, points.front().value);
    result.largest = std::max(result.largest, points.back().value);
  }
  result.resolution = std::numbers::pi * (result.largest - result.smallest) / (4.0 * fewest_steps);
  return result;
}

nlohmann::json to_json(const SpectralDensity& density) {
  nlohmann::json probes = nlohmann::json::array();
  for (const Points& points : density.probes) {
    nlohmann::json list = nlohmann::json::array();
    for (const SpectralDensity::Point& point : points) {
      list.push_back({point.value, point.weight});
    }
    probes.push_back(std::move(list));
  }
  return {{"points", probes},
          {"resolution", density.resolution},
          {"products", density.products},
          {"complete", density.complete},
          {"curve", curve(density)}};
}

}  // namespace switchyard
