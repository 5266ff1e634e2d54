#pragma once

#include <span>
#include <vector>

#include "engine/core/tensor.h"

namespace switchyard {

/// length·direction: a step in parameter space.
struct Step {
  double length = 0.0;
  std::span<const Tensor> direction;
};

/// Saves parameter values and puts them back, bit for bit: by restore(), or else when it goes out
/// of scope, by an exception or not.
class ParameterGuard {
 public:
  explicit ParameterGuard(std::span<const Tensor> parameters);
  /// Never throws: where the device fails, the error that says so is already on its way.
  ~ParameterGuard();
  ParameterGuard(const ParameterGuard&) = delete;
  ParameterGuard& operator=(const ParameterGuard&) = delete;

  /// Sets the parameters to saved + Σ steps, whatever they are now.
  void move_to(std::span<const Step> steps);
  /// Puts the values back. Errors: the device's.
  void restore();

 private:
  std::vector<Tensor> parameters_;  // share storage with the caller's
  std::vector<Tensor> saved_;
  bool moved_ = false;
};

}  // namespace switchyard
