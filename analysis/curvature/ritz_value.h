#pragma once

#include "analysis/curvature/operator.h"

namespace switchyard {

/// An approximate eigenvalue and the norm of its residual.
struct RitzValue {
  double value = 0.0;
  double residual = 0.0;  ///< ‖A y - value·y‖ for the unit Ritz vector y: some eigenvalue lies
                          ///< within it of `value`
};

/// A Ritz value with its unit vector y: yᵀA y = value, whatever the residual.
struct RitzPair {
  RitzValue ritz;
  ParameterVector vector;
};

}  // namespace switchyard
