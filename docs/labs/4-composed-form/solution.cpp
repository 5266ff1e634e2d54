// Lab 4, solved: the mean square depends on x, so it is computed with x's history.

#include "docs/labs/4-composed-form/lab.h"
#include "engine/switchyard.h"

namespace switchyard::labs {

Tensor rms_norm_composed(const Tensor& x) {
  return x * reciprocal(sqrt(mean(square(x), {1}, true) + kEpsilon));
}

}  // namespace switchyard::labs
