#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "analysis/operators.h"
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
};

/// A Ritz pair: an approximate eigenvalue and its error bound.
struct RitzValue {
  double value = 0.0;
  double residual = 0.0;  ///< ‖A y - value·y‖ for the unit Ritz vector y: some eigenvalue lies
                          ///< within it of `value`
};

struct LanczosResult {
  RitzValue largest;           ///< largest algebraic eigenvalue, λ_max
  RitzValue smallest;          ///< smallest algebraic one, of which convergence is not awaited
  std::vector<Tensor> vector;  ///< unit Ritz vector of `largest`
  int iterations = 0;          ///< products used
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

/// Extreme eigenvalues of `a` by the Lanczos iteration with full reorthogonalisation, twice per
/// step (Golub & Van Loan, Matrix Computations, 10.1; Parlett, 1998, ch. 13), from a random vector,
/// uniform on the sphere. Stops on convergence, after max_iterations, or at the dimension.
///
/// `converged` means the following. The residual r of a pair (θ, y) proves an eigenvalue within r
/// of θ, not that there is none above. But an eigenvector u of an eigenvalue μ > θ can only have
/// gone unseen if the start vector b hardly has a component along it: with the iteration's
/// couplings βⱼ and Ritz values θᵢ after k steps
///
///     |u·b| <= β₁ ... β_k / ((μ - θ₁) ... (μ - θ_k)),
///
/// since the product on the right is ‖p(A) b‖ / p(μ) for the characteristic polynomial p of the
/// projection (Parlett, 1998, 12.3). For b uniform on the sphere in n dimensions P(|u·b| <= s) is
/// at most s √(2n/π). So a converged result has, for every symmetric operator whatever its
/// spectrum,
///
///     residual <= tolerance · |value|   and   value <= λ_max <= value + tolerance · |value|,
///
/// the last with a probability of at least 1 - failure_probability over start vectors, apart from
/// rounding in the products: one bound for all steps, for the event does not depend on when the
/// iteration stops. (Kuczyński & Woźniakowski, 1992, bound the same probability before the fact,
/// for the worst spectrum, by 1.648 √n exp(-√tolerance (2k - 1)): 250 steps and more.) Where the
/// Krylov space is all that the start vector reaches, β_k = 0 and the values are exact.
///
/// Any scale of the operator will do: the first product sets the unit. Errors: max_iterations < 1,
/// a product that is not finite.
LanczosResult lanczos(SymmetricOperator& a, Generator random, LanczosOptions options = {});

/// {"value", "residual", "iterations", "converged"}: `largest_eigenvalue` of a results file.
nlohmann::json to_json(const LanczosResult& result);

}  // namespace switchyard
