#pragma once

#include <Eigen/Core>
#include <span>
#include <vector>

#include "analysis/curvature/operator.h"
#include "analysis/curvature/ritz_value.h"
#include "engine/core/random.h"

namespace switchyard {

/// The Lanczos iteration with full reorthogonalisation, twice per step (Golub & Van Loan, Matrix
/// Computations, 10.1; Parlett, 1998, ch. 13), on a random start vector b uniform on the sphere. It
/// works on the complement of vectors that were found before, P A P with P = I - Y Yᵀ. The first
/// product sets the unit, so that any scale of the operator will do.
class KrylovSpace {
 public:
  /// `a` and `locked`, orthonormal, must outlive it. Error when nothing is left of the space.
  KrylovSpace(SymmetricOperator& a, Generator random, std::span<const ParameterVector> locked = {});

  /// One product. Error where it is not finite, UsageError where the space is exhausted.
  void extend();
  /// Nothing is left that b reaches: all Ritz pairs are exact.
  bool exhausted() const { return next_beta_ == 0.0; }
  int products() const { return static_cast<int>(diagonal_.size()); }

  /// Ritz pair i in ascending order of the values, of products().
  RitzValue ritz(int i) const;
  RitzValue smallest() const { return ritz(0); }
  RitzValue largest() const { return ritz(products() - 1); }
  /// The greatest magnitude of the Ritz values, at most ‖A‖.
  double norm() const;
  ParameterVector vector(int i) const;
  /// Squared component of b along the Ritz vector: its weight in Gauss's quadrature.
  double weight(int i) const;

  /// An eigenvector u of an eigenvalue μ above all Ritz values θᵢ can only have gone unseen if b
  /// hardly has a component along it: with the iteration's couplings βⱼ after k steps
  ///
  ///     |u·b| <= β₁ ... β_k / ((μ - θ₁) ... (μ - θ_k)),
  ///
  /// since the product on the right is ‖p(A) b‖ / p(μ) for the characteristic polynomial p of the
  /// projection (Parlett, 1998, 12.3). For b uniform on the sphere in n dimensions P(|u·b| <= s) is
  /// at most s √(2n/π). Returns that bound on the probability of an eigenvalue of `mu` or more in
  /// the complement, at most 1. It holds whatever the spectrum, apart from rounding in the
  /// products, and is one bound for all steps: the event does not depend on when one stops.
  double missed_above(double mu) const;

 private:
  void orthogonalise(std::span<Tensor> w) const;
  void solve();

  SymmetricOperator& a_;
  std::span<const ParameterVector> locked_;
  std::int64_t dimension_;
  std::vector<ParameterVector> basis_;
  double unit_ = 1.0;  // a power of two: values below are in this unit
  std::vector<double> diagonal_, below_;
  double next_beta_ = 1.0;  // couples the last basis vector to the one that would come
  Eigen::VectorXd values_;  // ascending
  Eigen::MatrixXd vectors_;
};

}  // namespace switchyard
