#include "analysis/perturbation/parameter_guard.h"

#include <exception>

#include "analysis/curvature/vectors.h"

namespace switchyard {

ParameterGuard::ParameterGuard(std::span<const Tensor> parameters)
    : parameters_(parameters.begin(), parameters.end()), saved_(copy_of(parameters)) {}

ParameterGuard::~ParameterGuard() {
  if (!moved_) return;
  try {
    restore();
  } catch (const std::exception&) {  // copying failed, hence so did what ends the scope
  }
}

void ParameterGuard::move_to(std::span<const Step> steps) {
  restore();
  moved_ = true;
  for (const Step& step : steps) axpy(step.length, step.direction, parameters_);
}

void ParameterGuard::restore() {
  for (std::size_t i = 0; i < saved_.size(); ++i) parameters_[i].copy_from(saved_[i]);
  moved_ = false;
}

}  // namespace switchyard
