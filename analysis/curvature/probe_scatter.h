#pragma once

#include <vector>

#include "analysis/curvature/error_bars.h"
#include "analysis/curvature/operator.h"

namespace switchyard {

/// The standard error of Hutchinson's mean of zᵀA z over n Rademacher vectors z, from the scatter
/// of all elements of the vectors d = z ∘ A z and not of their n sums zᵀA z alone.
///
/// Element k of d has the variance Σ_{j≠k} a_kj² and two of them the covariance a_jk², so that the
/// variance of the sum, 2·Σ_{j≠k} a_jk², is twice the sum of the elements' variances. Where a few
/// eigenvalues dominate, the sums are as skewed as a χ² and a dozen of them says little about their
/// own variance; Student's interval of ten holds the truth in 86 % for a matrix of rank one. The
/// elements' scatter is known several times better.
///
/// It has half the information of each of two statements about its freedom (a harmonic mean): n -
/// 1, that of n samples whatever they are, and what the scatter of the n - 1 squared distances
/// shows (Satterthwaite), which is too much where none of few vectors has met a heavy tail.
class ProbeScatter {
 public:
  /// Takes z, of elements ±1, and A z.
  void add(const ParameterVector& z, const ParameterVector& az);
  /// Of the mean of zᵀA z over all vectors; unknown for fewer than two. 0 for a diagonal A.
  StandardError error_of_mean() const;

 private:
  ParameterVector mean_;  // of the d
  // √((j-1)/j) ‖d_j - mean of the earlier ones‖: Helmert's contrasts, whose squares each expect the
  // sum of the elements' variances.
  std::vector<double> contrasts_;
};

}  // namespace switchyard
