#include "analysis/curvature/power_iteration.h"

#include <cmath>

#include "analysis/curvature/vectors.h"
#include "engine/core/check.h"

namespace switchyard {

PowerIterationResult power_iteration(SymmetricOperator& a, Generator random,
                                     PowerIterationOptions options) {
  check<UsageError>(options.max_iterations >= 1,
                    "[power iteration] needs at least one iteration, got {}",
                    options.max_iterations);
  PowerIterationResult result;
  ParameterVector next = random_normal_like(a.like(), random);
  bool stopped = false;
  while (!stopped && !result.converged && result.iterations < options.max_iterations) {
    normalise(next);
    result.vector = std::move(next);
    next = a.apply(result.vector);
    ++result.iterations;
    RitzValue& found = result.largest_magnitude;
    found.value = dot(result.vector, next);
    check(std::isfinite(found.value), "[power iteration] product {} is not finite",
          result.iterations);
    result.history.push_back(found.value);
    ParameterVector rest = copy_of(next);
    axpy(-found.value, result.vector, rest);
    found.residual = norm(rest);
    result.converged = found.residual <= options.tolerance * std::abs(found.value);
    stopped = !goes_on(options.watch,
                       {"largest magnitude", found.value, found.residual, result.iterations});
  }
  return result;
}

}  // namespace switchyard
