#pragma once

#include <cstdint>
#include <span>

#include "kernels/api/fault.h"
#include "kernels/api/kernel.h"
#include "kernels/common/floating_types.h"

// These kernels do stochastic gradient descent with momentum and weight decay, T of every floating
// type. A parameter in bfloat16 has a float32 master, which the step changes and then rounds into
// the parameter. Where a fault was reported before (kernels/api/fault.h), nothing is updated.

namespace switchyard::kernels {

/// One parameter with its gradient and momentum, each of `count` elements.
template <class T>
struct SgdParameter {
  std::int64_t count = 0;
  T* w = nullptr;
  const T* g = nullptr;
  T* m = nullptr;

  /// Reads three of them and writes two.
  Work work() const { return {.bytes = bytes_of<T>(5 * count)}; }
};
template <>
struct SgdParameter<BFloat16> {
  std::int64_t count = 0;
  float* w = nullptr;  ///< the master
  const BFloat16* g = nullptr;
  float* m = nullptr;
  BFloat16* parameter = nullptr;  ///< becomes w, rounded

  Work work() const {
    return {.bytes = bytes_of<float>(4 * count) + bytes_of<BFloat16>(2 * count)};
  }
};

/// g' = g + decay · w;  m = momentum · m + g';  w -= rate · m, in place.
template <class T>
struct SgdStep {
  static constexpr std::string_view kName = "sgd_step";
  SgdParameter<T> parameter = {};
  double rate = 0.0;
  double momentum = 0.0;
  double decay = 0.0;
  const LowestNumber* fault = nullptr;  ///< the device's word of faults, or null: not asked
  Work work() const { return parameter.work(); }
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
    for (const SgdParameter<T>& p : parameters) all.bytes += p.work().bytes;
    return all;
  }
};

/// Both, of every floating type.
using SgdSteps = OfEvery<FloatingTypes, SgdStep, SgdStepMany>;

}  // namespace switchyard::kernels
