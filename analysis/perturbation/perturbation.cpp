#include "analysis/perturbation/perturbation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>

#include "analysis/curvature/vectors.h"
#include "engine/core/check.h"

namespace switchyard {
namespace {

using nlohmann::json;

constexpr Normalisation kNormalisations[] = {Normalisation::kNone, Normalisation::kFilter};

void check_options(const PerturbationOptions& options) {
  check<UsageError>(options.random_directions >= 0 && options.eigenvectors >= 0,
                    "[perturbation] needs no negative number of directions, got {} and {}",
                    options.random_directions, options.eigenvectors);
  check<UsageError>(options.worst_case.steps >= 0,
                    "[perturbation] needs no negative number of steps, got {}",
                    options.worst_case.steps);
  check<UsageError>(options.noise.sigmas.empty() || options.noise.pairs >= 1,
                    "[perturbation] needs at least one pair of noise vectors, got {}",
                    options.noise.pairs);
  const auto positive = [](double x) { return x > 0.0 && std::isfinite(x); };
  for (const auto* lengths : {&options.worst_case.radii, &options.noise.sigmas}) {
    check<UsageError>(std::ranges::all_of(*lengths, positive) && std::ranges::is_sorted(*lengths),
                      "[perturbation] radii and sigmas must be positive and ascending");
  }
}

ParameterVector seeded_direction(const Explorer& explorer, Normalisation normalisation, int seed) {
  return random_direction(explorer.parameters(), normalisation,
                          Generator(static_cast<std::uint64_t>(seed)));
}

/// Along a unit vector that the loss itself names, not chance.
Curve unit_curve(Explorer& explorer, const std::string& name, std::span<const Tensor> direction,
                 const PerturbationOptions& options) {
  return curve_along(explorer, name, direction,
                     symmetric_alphas(options.eigenvector_limit, options.points));
}

/// Nothing along a gradient of zero.
std::optional<GradientCurve> gradient_curve(Explorer& explorer, std::span<const Tensor> gradient,
                                            const PerturbationOptions& options) {
  const double slope = norm(gradient);
  if (!(slope > 0.0)) return std::nullopt;
  ParameterVector direction = copy_of(gradient);
  normalise(direction);
  return GradientCurve{slope, unit_curve(explorer, "gradient", direction, options)};
}

std::vector<RandomCurve> random_curves(Explorer& explorer, const PerturbationOptions& options) {
  std::vector<RandomCurve> curves;
  for (const Normalisation normalisation : kNormalisations) {
    for (int seed = 1; seed <= options.random_directions; ++seed) {
      const ParameterVector d = seeded_direction(explorer, normalisation, seed);
      curves.push_back(
          {normalisation, static_cast<std::uint64_t>(seed),
           curve_along(explorer, fmt::format("random/{}/{}", name(normalisation), seed), d,
                       symmetric_alphas(options.random_limit, options.points))});
    }
  }
  return curves;
}

/// The planes that the directions allow.
std::vector<Surface> surfaces(Explorer& explorer, const std::vector<ParameterVector>& eigenvectors,
                              std::span<const Tensor> gradient,
                              const PerturbationOptions& options) {
  std::vector<Surface> result;
  const auto axis = [&](const char* name, std::span<const Tensor> d, double limit) {
    return Axis{name, d, symmetric_alphas(limit, options.surface_points)};
  };
  if (eigenvectors.size() >= 2) {
    result.push_back(surface_over(explorer,
                                  axis("eigenvector 1", eigenvectors[0], options.surface_limit),
                                  axis("eigenvector 2", eigenvectors[1], options.surface_limit)));
  }
  const ParameterVector first = seeded_direction(explorer, Normalisation::kFilter, 1);
  const ParameterVector second = seeded_direction(explorer, Normalisation::kFilter, 2);
  result.push_back(surface_over(explorer, axis("filter 1", first, options.random_limit),
                                axis("filter 2", second, options.random_limit)));
  if (eigenvectors.empty()) return result;
  const ParameterVector across = orthogonal_part(gradient, eigenvectors[0]);
  if (across.empty()) return result;
  result.push_back(surface_over(explorer,
                                axis("eigenvector 1", eigenvectors[0], options.surface_limit),
                                axis("gradient", across, options.surface_limit)));
  return result;
}

json to_json(const EigenvectorCurve& eigenvector) {
  json curve = to_json(eigenvector.curve);
  curve["eigenvalue"] = eigenvector.ritz.value;
  curve["residual"] = eigenvector.ritz.residual;
  return curve;
}

}  // namespace

PerturbationResult perturbation(Explorer& explorer, std::span<const RitzPair> pairs,
                                const Generator& noise, const PerturbationOptions& options) {
  check_options(options);
  const ParameterVector gradient = explorer.gradient(Subset::kTrain);
  const auto count = std::min(pairs.size(), static_cast<std::size_t>(options.eigenvectors));
  std::vector<ParameterVector> eigenvectors;
  for (const RitzPair& pair : pairs.first(count)) {
    eigenvectors.push_back(uphill(pair.vector, gradient));
  }
  PerturbationResult result;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string name = fmt::format("eigenvector/{}", i + 1);
    result.eigenvectors.push_back(
        {pairs[i].ritz, unit_curve(explorer, name, eigenvectors[i], options)});
  }
  if (options.gradient) result.gradient = gradient_curve(explorer, gradient, options);
  result.random = random_curves(explorer, options);
  if (!options.worst_case.radii.empty()) {
    const std::span top(eigenvectors.data(), std::min<std::size_t>(count, 1));
    result.worst_train = worst_cases(explorer, Subset::kTrain, gradient, top, options.worst_case);
    result.worst_test = worst_cases(explorer, Subset::kTest, explorer.gradient(Subset::kTest), top,
                                    options.worst_case);
  }
  if (!options.noise.sigmas.empty()) {
    result.noise = gaussian_averages(explorer, noise, options.noise);
    result.noise_pairs = options.noise.pairs;
  }
  if (options.surface_points > 0) {
    result.surfaces = surfaces(explorer, eigenvectors, gradient, options);
  }
  return result;
}

std::int64_t planned_points(const PerturbationOptions& options) {
  constexpr std::int64_t kSurfaces = 3;
  constexpr std::int64_t kStarts = 5;  // of an ascent: SAM's, ±eigenvector, two of the ball before
  const auto radii = static_cast<std::int64_t>(options.worst_case.radii.size());
  const auto sigmas = static_cast<std::int64_t>(options.noise.sigmas.size());
  const std::int64_t curves = options.eigenvectors + (options.gradient ? 1 : 0) +
                              std::ssize(kNormalisations) * std::int64_t{options.random_directions};
  const std::int64_t side = options.surface_points;
  const std::int64_t grids = side > 0 ? kSurfaces * (side * side - 1) : 0;
  const std::int64_t of_each_set = curves * (options.points - 1) + grids +
                                   radii * (kStarts + options.worst_case.steps) +
                                   sigmas * 2 * options.noise.pairs;
  return std::ssize(kSubsets) * of_each_set;
}

json to_json(const PerturbationResult& result) {
  json object = {{"random", json::array()}, {"surfaces", json::array()}};
  for (const EigenvectorCurve& eigenvector : result.eigenvectors) {
    if (!object.contains("eigenvector")) {
      object["eigenvector"] = to_json(eigenvector);
      object["lower_eigenvectors"] = json::array();
    } else {
      object["lower_eigenvectors"].push_back(to_json(eigenvector));
    }
  }
  if (result.gradient) {
    object["gradient"] = to_json(result.gradient->curve);
    object["gradient"]["norm"] = result.gradient->norm;
  }
  for (const RandomCurve& random : result.random) {
    object["random"].push_back(to_json(random.curve));
    object["random"].back()["normalisation"] = name(random.normalisation);
    object["random"].back()["seed"] = random.seed;
  }
  for (const Surface& surface : result.surfaces) object["surfaces"].push_back(to_json(surface));
  if (!result.worst_train.empty()) {
    object["worst_case"] = {{"train", to_json(result.worst_train)},
                            {"test", to_json(result.worst_test)}};
  }
  if (result.noise_pairs > 0) object["noise"] = to_json(result.noise, result.noise_pairs);
  return object;
}

}  // namespace switchyard
