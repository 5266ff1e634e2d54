#pragma once

#include "analysis/curvature/operator.h"
#include "analysis/curvature/watch.h"
#include "engine/core/random.h"

namespace switchyard {

struct DiagonalEstimate {
  ParameterVector mean;            ///< a_ii
  ParameterVector standard_error;  ///< of the probes; NaN for one sample
  int products = 0;
};

/// The diagonal of `a`: mean of z ∘ A z over Rademacher vectors z, unbiased, with variance
/// Σ_{j≠i} a_ij² per sample of entry i (Bekas, Kokiopoulou & Saad, 2007). Errors: samples < 1, a
/// product that is not finite.
DiagonalEstimate diagonal(SymmetricOperator& a, Generator random, int samples,
                          const Watch& watch = {});

}  // namespace switchyard
