#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "analysis/curvature/operator.h"
#include "engine/core/random.h"

namespace switchyard {

/// `points` steps from -limit to limit, 0 exactly among them. UsageError: an even or non-positive
/// number of points, a limit that is not positive.
std::vector<double> symmetric_alphas(double limit, int points);

enum class Normalisation {
  kNone,   ///< Gaussian direction scaled to ‖d‖ = 1
  kFilter  ///< each filter of d scaled to its filter's norm in θ; d = 0 for biases and batch norm
};
/// "none", "filter", as in results files.
std::string_view name(Normalisation normalisation);

/// A random direction at the present parameter values. Filter normalisation is that of Li et al.,
/// "Visualizing the Loss Landscape of Neural Nets", 2018, sec. 4, as they publish it: a filter is
/// what feeds one output channel or unit, a row of axis 0; parameters with fewer than two axes
/// (biases, batch-norm scales and shifts) do not move.
ParameterVector random_direction(std::span<const Tensor> parameters, Normalisation normalisation,
                                 Generator random);

/// d or -d, whichever does not point against `gradient`: an eigenvector has no sign of its own, and
/// so the loss rises towards positive steps, to first order, for every model alike.
ParameterVector uphill(std::span<const Tensor> d, std::span<const Tensor> gradient);

/// The unit vector along the part of `d` that is orthogonal to the unit vector `q`; empty where
/// nothing is left of it.
ParameterVector orthogonal_part(std::span<const Tensor> d, std::span<const Tensor> q);

}  // namespace switchyard
