#pragma once

#include <cstdint>
#include <span>

#include "kernels/api/fault.h"
#include "kernels/api/kernel.h"

// These kernels do stochastic gradient descent with momentum and weight decay, T = float and
// double. Where a fault was reported before (kernels/api/fault.h), nothing is updated.

namespace switchyard::kernels {

/// g' = g + decay · w;  m = momentum · m + g';  w -= rate · m, in place.
template <class T>
struct SgdStep {
  static constexpr std::string_view kName = "sgd_step";
  T* w = nullptr;        ///< [count]
  const T* g = nullptr;  ///< [count]
  T* m = nullptr;        ///< [count]
  std::int64_t count = 0;
  double rate = 0.0;
  double momentum = 0.0;
  double decay = 0.0;
  const LowestNumber* fault = nullptr;  ///< the device's word of faults, or null: not asked
  Work work() const { return {.bytes = bytes_of<T>(5 * count)}; }
};

/// One parameter with its gradient and momentum, each of `count` elements.
template <class T>
struct SgdParameter {
  std::int64_t count = 0;
  T* w = nullptr;
  const T* g = nullptr;
  T* m = nullptr;
};

/// Does SgdStep for every parameter.
template <class T>
struct SgdStepMany {
  static constexpr std::string_view kName = "sgd_step_many";
  /// The span lies in host memory, which is read before run() returns; no two parameters overlap.
  std::span<const SgdParameter<T>> parameters = {};
  double rate = 0.0;
  double momentum = 0.0;
  double decay = 0.0;
  const LowestNumber* fault = nullptr;  ///< the device's word of faults, or null: not asked
  Work work() const {
    Work all;
    for (const SgdParameter<T>& p : parameters) all.bytes += bytes_of<T>(5 * p.count);
    return all;
  }
};

}  // namespace switchyard::kernels
