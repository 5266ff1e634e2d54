#include "app/measurement_watch.h"

#include <fmt/format.h>

#include "engine/core/check.h"

namespace switchyard {

void MeasurementWatch::begin() const {
  check(!time_is_over(), "hessian: the time limit of {} s was over before the first product",
        time_limit_.value_or(0.0));
}

bool MeasurementWatch::goes_on_after(const std::string& where, const EstimateSoFar& estimate) {
  ++products_;
  progress_.status(fmt::format("{}: {} {:.5g} ± {:.2g} after {} products", where, estimate.quantity,
                               estimate.value, estimate.error, estimate.products));
  stopped_ = stopped_ || stop_.requested() || (products_ > kept_ && time_is_over());
  return !stopped_;
}

bool MeasurementWatch::time_is_over() const {
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start_;
  return time_limit_ && passed.count() >= *time_limit_;
}

}  // namespace switchyard
