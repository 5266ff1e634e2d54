#include "analysis/lanczos.h"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "analysis/vectors.h"
#include "engine/core/check.h"

namespace switchyard {
namespace {

/// The projection of the operator onto the Krylov space: symmetric, tridiagonal.
struct Tridiagonal {
  std::vector<double> diagonal;
  std::vector<double> below;  // one shorter
};

/// An eigenvector of the projection with its eigenvalue.
struct Projected {
  RitzValue ritz;
  Eigen::VectorXd weights;  // of the basis vectors
};

struct ExtremePairs {
  Projected smallest, largest;
};

/// `next_beta` couples the last basis vector to the one that the iteration would add: it carries
/// the residual ‖A y - θ y‖ = β·|last weight| (Parlett, 1998, 13.2).
ExtremePairs extreme_pairs(const Tridiagonal& t, double next_beta) {
  const auto n = static_cast<Eigen::Index>(t.diagonal.size());
  Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver;
  solver.computeFromTridiagonal(Eigen::Map<const Eigen::VectorXd>(t.diagonal.data(), n),
                                Eigen::Map<const Eigen::VectorXd>(t.below.data(), n - 1));
  const auto pair = [&](Eigen::Index i) {
    const Eigen::VectorXd weights = solver.eigenvectors().col(i);
    return Projected{{solver.eigenvalues()[i], next_beta * std::abs(weights[n - 1])}, weights};
  };
  return {pair(0), pair(n - 1)};
}

/// Removes from w its components along the orthonormal basis. Two passes leave it orthogonal to
/// working precision ("twice is enough": Parlett, 1998, 6.9).
void orthogonalise(std::span<Tensor> w, const std::vector<std::vector<Tensor>>& basis) {
  for (int pass = 0; pass < 2; ++pass) {
    for (const std::vector<Tensor>& v : basis) axpy(-dot(w, v), v, w);
  }
}

double rounding_of(std::span<const Tensor> x) {
  return x[0].dtype() == DType::kFloat64 ? std::numeric_limits<double>::epsilon()
                                         : double{std::numeric_limits<float>::epsilon()};
}

std::vector<Tensor> combination(const std::vector<std::vector<Tensor>>& basis,
                                const Eigen::VectorXd& weights) {
  std::vector<Tensor> sum = zeros_like(basis[0]);
  for (std::size_t i = 0; i < basis.size(); ++i) {
    axpy(weights[static_cast<Eigen::Index>(i)], basis[i], sum);
  }
  normalise(sum);
  return sum;
}

}  // namespace

const RitzValue& LanczosResult::largest_magnitude() const {
  return -smallest.value > largest.value ? smallest : largest;
}

LanczosResult lanczos(SymmetricOperator& a, Generator random, LanczosOptions options) {
  check<UsageError>(options.max_iterations >= 1, "[lanczos] needs at least one iteration, got {}",
                    options.max_iterations);
  const std::int64_t steps = std::min<std::int64_t>(options.max_iterations, dimension(a.like()));
  check(steps >= 1, "[lanczos] the operator has no dimension");

  std::vector<std::vector<Tensor>> basis = {random_normal_like(a.like(), random)};
  normalise(basis[0]);
  Tridiagonal t;
  ExtremePairs pairs;
  LanczosResult result;
  while (true) {
    std::vector<Tensor> w = a.apply(basis.back());
    ++result.iterations;
    t.diagonal.push_back(dot(w, basis.back()));
    check(std::isfinite(t.diagonal.back()), "[lanczos] product {} is not finite",
          result.iterations);
    orthogonalise(w, basis);
    const double beta = norm(w);
    pairs = extreme_pairs(t, beta);
    const double magnitude =
        std::max(std::abs(pairs.smallest.ritz.value), std::abs(pairs.largest.ritz.value));
    result.converged =
        pairs.largest.ritz.residual <= options.tolerance * std::abs(pairs.largest.ritz.value);
    const bool exhausted = beta <= 10.0 * rounding_of(w) * magnitude;
    result.converged = result.converged || exhausted;
    if (result.converged || result.iterations == steps) break;
    scale(w, 1.0 / beta);
    t.below.push_back(beta);
    basis.push_back(std::move(w));
  }
  result.largest = pairs.largest.ritz;
  result.smallest = pairs.smallest.ritz;
  result.vector = combination(basis, pairs.largest.weights);
  return result;
}

nlohmann::json to_json(const LanczosResult& result) {
  return {{"value", result.largest.value},
          {"residual", result.largest.residual},
          {"iterations", result.iterations}};
}

}  // namespace switchyard
