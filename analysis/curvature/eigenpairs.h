#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "analysis/curvature/error_bars.h"
#include "analysis/curvature/operator.h"
#include "analysis/curvature/watch.h"
#include "engine/core/random.h"

namespace switchyard {

enum class SpectrumEnd { kLargest, kSmallest };

struct EigenpairOptions {
  int count = 1;
  SpectrumEnd end = SpectrumEnd::kLargest;
  /// Products at most from one start vector. As many vectors are in memory for the
  /// reorthogonalisation.
  int max_iterations = 60;
  /// Residuals and missed eigenvalues, relative to the operator's norm.
  double tolerance = 1e-3;
  /// Probability, over start vectors, of a missed eigenvalue in a result that is called converged.
  double failure_probability = 1e-3;
  Watch watch = {};
};

struct EigenPair {
  double value = 0.0;      ///< Rayleigh quotient yᵀA y
  double residual = 0.0;   ///< ‖A y - value·y‖ of a product of its own, not a recurrence's
  ParameterVector vector;  ///< unit y, orthogonal to the others
  /// The residual as the iteration's bar, and the data's error to first order (error_bars.h). The
  /// eigenvalue of few images is also too large on average, by a term of second order in their
  /// scatter which no bar here contains.
  ErrorBars error;
};

struct EigenpairResult {
  /// From the end inwards: descending for the largest, ascending for the smallest. An eigenvalue of
  /// multiplicity m is there up to m times. Fewer than asked for where the time was over.
  std::vector<EigenPair> pairs;
  int products = 0;
  bool converged = false;
  /// Bound on the probability that an eigenvalue beyond the innermost pair and the tolerance was
  /// missed, at most 1.
  double missed_probability = 1.0;
  double norm = 0.0;  ///< the greatest magnitude that was seen: a lower bound of ‖A‖
};

/// The `count` largest or smallest eigenpairs of `a`, multiple ones included, by Lanczos iterations
/// from random vectors (krylov_space.h). Pairs whose residual is small are locked, and the next
/// iteration starts from a new random vector in their complement: the Krylov space of one vector
/// holds one eigenvector of each eigenvalue only. The last iteration proves that nothing beyond the
/// pairs is left in the complement, or finds it.
///
/// A converged result of pairs (θᵢ, yᵢ) has, for every symmetric operator whatever its spectrum and
/// with δ = tolerance · ‖A‖,
///
///     residualᵢ <= δ, and no eigenvalue of A on the complement of the yᵢ beyond the innermost θ
///     and δ,
///
/// the last with a probability of at least 1 - failure_probability over start vectors, apart from
/// rounding in the products. What is wrong by a residual may be as wrong as that: nothing here
/// takes one end of the spectrum for the other. Errors: count < 1 or above the dimension,
/// max_iterations < 1, a product that is not finite.
EigenpairResult eigenpairs(SymmetricOperator& a, Generator random, EigenpairOptions options = {});

/// The unit vector y as a pair, measured by one product.
EigenPair measured_pair(SymmetricOperator& a, ParameterVector y);

/// {"pairs": [{"value", "residual", "error"}], "products", "converged", "missed_probability"}.
nlohmann::json to_json(const EigenpairResult& result);

/// Cosines of the principal angles between the spans of two sets of orthonormal vectors, descending
/// (Björck & Golub, 1973): as many as the smaller set has vectors.
std::vector<double> principal_cosines(const std::vector<ParameterVector>& a,
                                      const std::vector<ParameterVector>& b);

}  // namespace switchyard
