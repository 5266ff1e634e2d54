#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <vector>

#include "analysis/curvature/ritz_value.h"
#include "analysis/perturbation/curves.h"
#include "analysis/perturbation/directions.h"
#include "analysis/perturbation/gaussian_average.h"
#include "analysis/perturbation/worst_case.h"

namespace switchyard {

struct PerturbationOptions {
  double eigenvector_limit =
      1.0;                      ///< largest |α| along eigenvectors and the gradient, unit vectors
  double random_limit = 1.0;    ///< largest |α| along random directions
  int points = 21;              ///< per curve, odd
  int random_directions = 3;    ///< per normalisation
  int eigenvectors = 2;         ///< curves along so many, from the largest eigenvalue down
  bool gradient = true;         ///< a curve along the gradient
  int surface_points = 11;      ///< per axis of each surface, odd; 0: no surfaces
  double surface_limit = 0.5;   ///< largest step along unit vectors in surfaces
  WorstCaseOptions worst_case;  ///< no radii: not measured
  GaussianOptions noise;        ///< no sigmas: not measured
};

struct EigenvectorCurve {
  RitzValue ritz;
  Curve curve;
};
struct GradientCurve {
  double norm = 0.0;  ///< of the training set's gradient: the slope of its curve at 0
  Curve curve;
};
struct RandomCurve {
  Normalisation normalisation = Normalisation::kNone;
  std::uint64_t seed = 0;
  Curve curve;
};

struct PerturbationResult {
  std::vector<EigenvectorCurve> eigenvectors;
  std::optional<GradientCurve> gradient;  ///< missing where the gradient is zero
  std::vector<RandomCurve> random;
  std::vector<Surface> surfaces;
  std::vector<WorstCase> worst_train, worst_test;
  GaussianAverages noise;
  int noise_pairs = 0;
};

/// Looks at the loss around the explorer's start: along `eigenvectors` (Ritz pairs of the training
/// set's Hessian, the largest first; at most options.eigenvectors of them), along that set's
/// gradient and random directions seeded 1, 2, ...; over the planes of the two top eigenvectors, of
/// two filter-normalised random directions and of the top eigenvector with the gradient; in balls
/// and under Gaussian noise drawn from `noise`. UsageError where an option is out of range.
PerturbationResult perturbation(Explorer& explorer, std::span<const RitzPair> eigenvectors,
                                const Generator& noise, const PerturbationOptions& options = {});

/// How many points that has to compute, at most, of both sets together.
std::int64_t planned_points(const PerturbationOptions& options);

/// The `perturbation` object of a results file.
nlohmann::json to_json(const PerturbationResult& result);

}  // namespace switchyard
