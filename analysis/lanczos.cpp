#include "analysis/lanczos.h"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

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

struct RitzValues {
  Projected smallest, largest;
  Eigen::VectorXd all;
};

/// `next_beta` couples the last basis vector to the one that the iteration would add: it carries
/// the residual ‖A y - θ y‖ = β·|last weight| (Parlett, 1998, 13.2).
RitzValues ritz_values(const Tridiagonal& t, double next_beta) {
  const auto n = static_cast<Eigen::Index>(t.diagonal.size());
  Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver;
  solver.computeFromTridiagonal(Eigen::Map<const Eigen::VectorXd>(t.diagonal.data(), n),
                                Eigen::Map<const Eigen::VectorXd>(t.below.data(), n - 1));
  const auto pair = [&](Eigen::Index i) {
    const Eigen::VectorXd weights = solver.eigenvectors().col(i);
    return Projected{{solver.eigenvalues()[i], next_beta * std::abs(weights[n - 1])}, weights};
  };
  return {pair(0), pair(n - 1), solver.eigenvalues()};
}

/// Bound on the probability that an eigenvalue of `mu` or more was missed in `dimension` dimensions
/// (lanczos.h). In logarithms: the products leave the range of a double.
double probability_above(double mu, const Tridiagonal& t, double next_beta,
                         const Eigen::VectorXd& values, std::int64_t dimension) {
  if (next_beta == 0.0) return 0.0;
  double log = 0.5 * std::log(2.0 * static_cast<double>(dimension) / std::numbers::pi);
  log += std::log(next_beta);
  for (const double beta : t.below) log += std::log(beta);
  for (const double value : values) {
    if (!(mu > value)) return 1.0;
    log -= std::log(mu - value);
  }
  return std::min(std::exp(log), 1.0);
}

/// Removes from w its components along the orthonormal basis. Two passes leave it orthogonal to
/// working precision ("twice is enough": Parlett, 1998, 6.9).
void orthogonalise(std::span<Tensor> w, const std::vector<std::vector<Tensor>>& basis) {
  for (int pass = 0; pass < 2; ++pass) {
    for (const std::vector<Tensor>& v : basis) axpy(-dot(w, v), v, w);
  }
}

/// A power of two near the norm of w, by which the products are divided: exact, and the squares of
/// all that follows are within a double's range.
double unit_of(std::span<const Tensor> w) {
  const double length = norm(w);
  if (length == 0.0 || !std::isfinite(length)) return 1.0;
  return std::ldexp(1.0, std::max(std::ilogb(length), -1000));
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
  RitzValues values;
  LanczosResult result;
  double unit = 1.0;
  while (true) {
    std::vector<Tensor> w = a.apply(basis.back());
    if (result.iterations++ == 0) unit = unit_of(w);
    if (unit != 1.0) divide(w, unit);
    t.diagonal.push_back(dot(w, basis.back()));
    check(std::isfinite(t.diagonal.back()), "[lanczos] product {} is not finite",
          result.iterations);
    orthogonalise(w, basis);
    // Nothing is left over once the basis spans the whole space, or all that b reaches of it.
    const double beta = result.iterations == dimension(a.like()) ? 0.0 : norm(w);
    values = ritz_values(t, beta);
    const RitzValue& top = values.largest.ritz;
    const double allowed = options.tolerance * std::abs(top.value);
    result.missed_probability =
        probability_above(top.value + allowed, t, beta, values.all, dimension(a.like()));
    result.converged =
        top.residual <= allowed && result.missed_probability <= options.failure_probability;
    if (beta == 0.0 || result.converged || result.iterations == steps) break;
    divide(w, beta);
    t.below.push_back(beta);
    basis.push_back(std::move(w));
  }
  const auto in_units = [unit](const RitzValue& ritz) {
    return RitzValue{ritz.value * unit, ritz.residual * unit};
  };
  result.largest = in_units(values.largest.ritz);
  result.smallest = in_units(values.smallest.ritz);
  result.vector = combination(basis, values.largest.weights);
  return result;
}

nlohmann::json to_json(const LanczosResult& result) {
  return {{"value", result.largest.value},
          {"residual", result.largest.residual},
          {"iterations", result.iterations},
          {"converged", result.converged}};
}

}  // namespace switchyard
