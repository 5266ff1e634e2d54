#include "analysis/curvature/krylov_space.h"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <numbers>

#include "analysis/curvature/unit.h"
#include "analysis/curvature/vectors.h"
#include "engine/core/check.h"

namespace switchyard {
KrylovSpace::KrylovSpace(SymmetricOperator& a, Generator random,
                         std::span<const ParameterVector> locked)
    : a_(a),
      locked_(locked),
      dimension_(dimension(a.like()) - static_cast<std::int64_t>(locked.size())) {
  check(dimension_ >= 1, "[lanczos] the operator has no dimension");
  ParameterVector start = random_normal_like(a.like(), random);
  orthogonalise(start);
  normalise(start);
  basis_.push_back(std::move(start));
}

void KrylovSpace::extend() {
  check<UsageError>(!exhausted(), "[lanczos] the space is exhausted");
  if (products() > 0) {
    below_.push_back(next_beta_);
  }
  ParameterVector w = a_.apply(basis_.back());
  if (products() == 0) unit_ = unit_of(w);
  if (unit_ != 1.0) divide(w, unit_);
  diagonal_.push_back(dot(w, basis_.back()));
  check(std::isfinite(diagonal_.back()), "[lanczos] product {} is not finite", products());
  orthogonalise(w);
  // Nothing is left over once the basis spans the whole space, or all that b reaches of it.
  next_beta_ = products() == dimension_ ? 0.0 : switchyard::norm(w);
  solve();
  if (exhausted()) return;
  divide(w, next_beta_);
  basis_.push_back(std::move(w));
}

void KrylovSpace::orthogonalise(std::span<Tensor> w) const {
  // Two passes leave it orthogonal to working precision ("twice is enough": Parlett, 1998, 6.9).
  for (int pass = 0; pass < 2; ++pass) {
    for (const ParameterVector& v : locked_) axpy(-dot(w, v), v, w);
    for (const ParameterVector& v : basis_) axpy(-dot(w, v), v, w);
  }
}

void KrylovSpace::solve() {
  const auto n = static_cast<Eigen::Index>(diagonal_.size());
  Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver;
  solver.computeFromTridiagonal(Eigen::Map<const Eigen::VectorXd>(diagonal_.data(), n),
                                Eigen::Map<const Eigen::VectorXd>(below_.data(), n - 1));
  values_ = solver.eigenvalues();
  vectors_ = solver.eigenvectors();
}

RitzValue KrylovSpace::ritz(int i) const {
  // The residual is β·|last weight| (Parlett, 1998, 13.2).
  return {values_[i] * unit_, next_beta_ * std::abs(vectors_(products() - 1, i)) * unit_};
}

double KrylovSpace::norm() const { return values_.cwiseAbs().maxCoeff() * unit_; }

ParameterVector KrylovSpace::vector(int i) const {
  ParameterVector sum = zeros_like(basis_[0]);
  for (int j = 0; j < products(); ++j) {
    axpy(vectors_(j, i), basis_[static_cast<std::size_t>(j)], sum);
  }
  normalise(sum);
  return sum;
}

double KrylovSpace::weight(int i) const { return vectors_(0, i) * vectors_(0, i); }

double KrylovSpace::missed_above(double mu) const {
  if (exhausted()) return 0.0;
  // In logarithms: the products leave the range of a double.
  double log = 0.5 * std::log(2.0 * static_cast<double>(dimension_) / std::numbers::pi);
  log += std::log(next_beta_);
  for (const double beta : below_) log += std::log(beta);
  for (const double value : values_) {
    const double distance = mu / unit_ - value;
    if (!(distance > 0.0)) return 1.0;
    log -= std::log(distance);
  }
  return std::min(std::exp(log), 1.0);
}

}  // namespace switchyard
