#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <vector>

#include "analysis/curvature/error_bars.h"
#include "analysis/perturbation/explorer.h"

namespace switchyard {

struct WorstCaseOptions {
  std::vector<double> radii = {0.02, 0.05, 0.1, 0.2};  ///< of the balls, ‖d‖₂, ascending
  int steps = 5;                                       ///< of the ascent in each ball
};

/// What a set of images says at a displaced point, against the start.
struct Rise {
  double rise = 0.0;   ///< L(θ + d) - L(θ)
  StandardError data;  ///< of the rise at this d: the scatter of its paired differences by group
  double accuracy = 0.0;
  std::optional<double> changed;
};

/// A lower bound of max L(θ + d) - L(θ) over ‖d‖ <= radius.
struct WorstCase {
  double radius = 0.0;
  Rise first_order;  ///< at d = radius · ∇L/‖∇L‖, the step of SAM (Foret et al., 2021, eq. 2)
  Rise ascent;       ///< at the best point found, never below first_order
};

/// Looks for the greatest loss of one set of images in balls around the start. Each ascent begins
/// at the best of several points: SAM's step, the same length along ±`directions` (unit vectors,
/// such as the top eigenvector: where the gradient is small the worst point lies there), and the
/// worst point of the ball before, as it is and stretched. It then takes projected gradient steps,
///
///     d <- Π(d + t·radius·∇L(θ + d)/‖∇L(θ + d)‖),   Π the projection onto the ball,
///
/// with t = 4, a quarter of that after each step that does not raise the loss. A long step with its
/// projection is a step of the power method where L is quadratic (Journée et al., 2010, sec. 2).
/// Points whose loss is not finite are passed over. Every value is one that the loss takes in the
/// ball, so that the maximum is at least as large; how much larger nobody knows. Like λ_max it is
/// too large for other images, for d is chosen to fit these.
std::vector<WorstCase> worst_cases(Explorer& explorer, Subset subset,
                                   std::span<const Tensor> gradient,
                                   std::span<const ParameterVector> directions,
                                   const WorstCaseOptions& options);

/// [{"radius", "first_order": {"rise", "data_error", "accuracy", "changed"}, "ascent"}].
nlohmann::json to_json(const std::vector<WorstCase>& cases);

}  // namespace switchyard
