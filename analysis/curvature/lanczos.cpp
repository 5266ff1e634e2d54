#include "analysis/curvature/lanczos.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "analysis/curvature/krylov_space.h"
#include "engine/core/check.h"

namespace switchyard {

const RitzValue& LanczosResult::largest_magnitude() const {
  return -smallest.value > largest.value ? smallest : largest;
}

LanczosResult lanczos(SymmetricOperator& a, Generator random, LanczosOptions options) {
  check<UsageError>(options.max_iterations >= 1, "[lanczos] needs at least one iteration, got {}",
                    options.max_iterations);
  KrylovSpace space(a, random);
  LanczosResult result;
  do {
    space.extend();
    result.largest = space.largest();
    const double allowed = options.tolerance * std::abs(result.largest.value);
    result.missed_probability = space.missed_above(result.largest.value + allowed);
    result.converged = result.largest.residual <= allowed &&
                       result.missed_probability <= options.failure_probability;
  } while (goes_on(options.watch, {"largest eigenvalue", result.largest.value,
                                   result.largest.residual, space.products()}) &&
           !result.converged && !space.exhausted() && space.products() < options.max_iterations);
  result.iterations = space.products();
  result.smallest = space.smallest();
  result.vector = space.vector(space.products() - 1);
  for (int i = 2; i <= std::min(options.vectors, space.products()); ++i) {
    const int place = space.products() - i;
    result.lower.push_back({space.ritz(place), space.vector(place)});
  }
  return result;
}

nlohmann::json to_json(const LanczosResult& result) {
  return {{"value", result.largest.value},
          {"residual", result.largest.residual},
          {"iterations", result.iterations},
          {"converged", result.converged}};
}

}  // namespace switchyard
