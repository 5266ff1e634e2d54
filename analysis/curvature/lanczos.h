#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "analysis/curvature/operator.h"
#include "analysis/curvature/ritz_value.h"
#include "analysis/curvature/watch.h"
#include "engine/core/random.h"

namespace switchyard {

struct LanczosOptions {
  /// Products at most. As many vectors stay in memory for the reorthogonalisation.
  int max_iterations = 40;
  /// Relative error of the largest eigenvalue, and residual of its vector, that convergence means.
  double tolerance = 1e-3;
  /// Probability, over start vectors, of a larger eigenvalue beyond the tolerance in a result that
  /// is called converged.
  double failure_probability = 1e-3;
  /// Ritz vectors that are handed out, the largest values first. More than one cost no product:
  /// those below the first are as good as the iteration has made them when the first one is found.
  int vectors = 1;
  Watch watch = {};
};

struct LanczosResult {
  RitzValue largest;           ///< largest algebraic eigenvalue, λ_max
  RitzValue smallest;          ///< smallest algebraic one, of which convergence is not awaited
  std::vector<Tensor> vector;  ///< unit Ritz vector of `largest`
  /// The next ones, descending, options.vectors - 1 of them or as many as there are. They are
  /// orthogonal; convergence is not awaited.
  std::vector<RitzPair> lower = {};
  int iterations = 0;  ///< products used
  /// `largest` is the largest eigenvalue, by the guarantee of lanczos(). False where the products
  /// did not suffice to say so.
  bool converged = false;
  /// Bound on the probability that an eigenvalue above largest.value + tolerance · |largest.value|
  /// was missed, at most 1.
  double missed_probability = 1.0;

  /// The eigenvalue that power iteration would find: `smallest` when it is negative and larger in
  /// magnitude than `largest`.
  const RitzValue& largest_magnitude() const;
};

/// The largest eigenvalue of `a` by a Lanczos iteration (krylov_space.h). Stops on convergence,
/// after max_iterations, or at the dimension. Several eigenpairs, multiple ones, and the smallest
/// are eigenpairs.h's.
///
/// `converged` means the following. The residual r of a pair (θ, y) proves an eigenvalue within r
/// of θ, not that there is none above. KrylovSpace::missed_above() bounds the probability that one
/// was missed. So a converged result has, for every symmetric operator whatever its spectrum,
///
///     residual <= tolerance · |value|   and   value <= λ_max <= value + tolerance · |value|,
///
/// the last with a probability of at least 1 - failure_probability over start vectors. (Kuczyński &
/// Woźniakowski, 1992, bound the same probability before the fact, for the worst spectrum, by 1.648
/// √n exp(-√tolerance (2k - 1)): 250 steps and more.) Where the Krylov space is all that the start
/// vector reaches, the values are exact.
///
/// Any scale of the operator will do: the first product sets the unit. Errors: max_iterations < 1,
/// a product that is not finite.
LanczosResult lanczos(SymmetricOperator& a, Generator random, LanczosOptions options = {});

/// {"value", "residual", "iterations", "converged"}: `largest_eigenvalue` of a results file.
nlohmann::json to_json(const LanczosResult& result);

}  // namespace switchyard
