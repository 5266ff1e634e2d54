#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <vector>

#include "analysis/curvature/error_bars.h"
#include "analysis/perturbation/explorer.h"
#include "engine/core/random.h"

namespace switchyard {

struct GaussianOptions {
  std::vector<double> sigmas = {0.002, 0.005, 0.01, 0.02};  ///< of each parameter's noise
  int pairs = 10;                                           ///< of noise vectors z and -z
};

/// E L(θ + σz) - L(θ) over standard normal z, of one set of images.
struct GaussianAverage {
  double sigma = 0.0;
  double rise = 0.0;
  ErrorBars error;  ///< over noise vectors and over images, as a trace's
  double accuracy = 0.0;
  std::optional<double> changed;
};
struct GaussianAverages {
  std::vector<GaussianAverage> train, test;
};

/// Averages over pairs of z and -z, in which the gradient's part cancels, so that little more than
/// σ²/2·zᵀHz is left to scatter. To second order the result is σ²/2·tr H; a larger σ shows what
/// that leaves out. The vectors are the same for every σ and both sets. The pairs are the samples
/// of the probe's error; the table of pairs by groups gives the data's, without the share of it
/// that is the pairs' (data_error() of error_bars.h).
GaussianAverages gaussian_averages(Explorer& explorer, const Generator& random,
                                   const GaussianOptions& options);

/// {"pairs", "train": [{"sigma", "rise", "error", "accuracy", "changed"}], "test"}.
nlohmann::json to_json(const GaussianAverages& averages, int pairs);

}  // namespace switchyard
