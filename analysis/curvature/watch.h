#pragma once

#include <functional>
#include <string_view>

namespace switchyard {

/// Where an estimator stands after some products.
struct EstimateSoFar {
  std::string_view quantity;  ///< "largest eigenvalue", "trace", ...
  double value = 0.0;
  double error = 0.0;  ///< residual or half-width of a 95 % interval; NaN where not yet known
  int products = 0;    ///< of this estimate
};

/// Is called after every product, or after the few that an estimator takes together. Where it
/// returns false the estimator stops and returns what it has, with its error bars and not
/// converged. An empty one never stops anything.
using Watch = std::function<bool(const EstimateSoFar&)>;

inline bool goes_on(const Watch& watch, const EstimateSoFar& estimate) {
  return !watch || watch(estimate);
}

/// `watch`, false from the first time on that it is, as `over` then says. Refers to both.
inline Watch latched(const Watch& watch, bool& over) {
  return [&watch, &over](const EstimateSoFar& estimate) {
    over = over || !goes_on(watch, estimate);
    return !over;
  };
}

}  // namespace switchyard
