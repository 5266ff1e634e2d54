#pragma once

#include <algorithm>
#include <cmath>

#include "analysis/curvature/vectors.h"

namespace switchyard {

/// A power of two near the norm of x, 1 where that is 0 or not finite: exact to divide by, and the
/// squares of what was divided by it are within a double's range.
inline double unit_of(std::span<const Tensor> x) {
  const double length = norm(x);
  if (length == 0.0 || !std::isfinite(length)) return 1.0;
  return std::ldexp(1.0, std::max(std::ilogb(length), -1000));
}

}  // namespace switchyard
