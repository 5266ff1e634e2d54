#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "analysis/operators.h"
#include "engine/core/random.h"

namespace switchyard {

struct LanczosOptions {
  /// Products at most. As many vectors stay in memory for the reorthogonalisation.
  int max_iterations = 40;
  /// Stop when residual <= tolerance · |value| for the largest eigenvalue.
  double tolerance = 1e-3;
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
  bool converged = false;      ///< of `largest`

  /// The eigenvalue that power iteration would find: `smallest` when it is negative and larger in
  /// magnitude than `largest`.
  const RitzValue& largest_magnitude() const;
};

/// Extreme eigenvalues of `a` by the Lanczos iteration with full reorthogonalisation, twice per
/// step (Golub & Van Loan, Matrix Computations, 10.1; Parlett, 1998, ch. 13), from a random normal
/// vector. Stops on convergence, after max_iterations, at the dimension, or when the Krylov space
/// is exhausted (then the pair is exact for that space). Errors: max_iterations < 1, a product that
/// is not finite.
LanczosResult lanczos(SymmetricOperator& a, Generator random, LanczosOptions options = {});

/// {"value", "residual", "iterations"}: `largest_eigenvalue` of a results file.
nlohmann::json to_json(const LanczosResult& result);

}  // namespace switchyard
