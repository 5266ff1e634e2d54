#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "analysis/curvature/operator.h"
#include "analysis/curvature/watch.h"
#include "engine/core/random.h"

namespace switchyard {

struct DensityOptions {
  int probes = 4;  ///< start vectors
  int steps = 30;  ///< products for each, fewer where its Krylov space is exhausted
  Watch watch = {};
};

/// An approximation of the spectral density φ(x) = 1/n Σ_i δ(x - λ_i) by weighted points.
struct SpectralDensity {
  struct Point {
    double value = 0.0;
    double weight = 0.0;  ///< share of the eigenvalues; of one probe they add up to 1
  };
  std::vector<std::vector<Point>> probes;  ///< ascending values
  double smallest = 0.0, largest = 0.0;    ///< of all points
  /// What the quadrature cannot resolve. A probe's points have the first 2k moments of the density
  /// that its vector sees, and any two densities on an interval of length L with s equal moments
  /// after the zeroth are at most π L / (2 (s + 1)) apart in Wasserstein's distance (Jackson's
  /// theorem; Chen, Trogdon & Ubaru, 2021): on average eigenvalues are moved by that much at most.
  double resolution = 0.0;
  int products = 0;
  bool complete = false;  ///< all probes were done

  /// A share of eigenvalues and its standard error over probes, NaN for one.
  struct Share {
    double mean = 0.0;
    double standard_error = 0.0;
  };
  /// Share of the eigenvalues that are at most `x`.
  Share below(double x) const;
  /// Mean of λ^k over the eigenvalues, exact for k < 2·steps but for the probes' error.
  Share moment(int k) const;
  /// The density at `x` with each point widened to a Gaussian of deviation `width`.
  Share smoothed(double x, double width) const;
};

/// Stochastic Lanczos quadrature (Golub & Welsch, 1969; Ubaru, Chen & Saad, 2017): from each random
/// vector b the Ritz values of a Lanczos iteration, with the squared components of b along the Ritz
/// vectors as weights, are Gauss's quadrature rule of the density that b sees. Errors: probes or
/// steps < 1, a product that is not finite.
SpectralDensity spectral_density(SymmetricOperator& a, Generator random,
                                 DensityOptions options = {});

/// {"points": [[[value, weight]]] per probe, "resolution", "products", "complete", "curve": {"x",
/// "density", "standard_error"}} with the curve on 200 points, widened to the resolution.
nlohmann::json to_json(const SpectralDensity& density);

}  // namespace switchyard
