#pragma once

#include <cstdint>

#include "kernels/api/gate.h"
#include "kernels/common/philox.h"

namespace switchyard::kernels {

/// The numbers that a gate chooses by, computed where they are needed: element i of
/// v = (logits + deviation · normal) / temperature, over [tokens, experts].
template <class T>
struct GateLogits {
  const T* logits;
  const T* deviation;  ///< null: no noise
  T temperature;
  RandomStretch noise;

  GateLogits(const GateOptions& options, const T* logits_in, const T* deviation_in)
      : logits(logits_in),
        deviation(deviation_in),
        temperature(static_cast<T>(options.temperature)),
        noise(options.noise) {}

  SWITCHYARD_HOST_DEVICE T operator()(std::int64_t i) const {
    T value = logits[i];
    if (deviation != nullptr) {
      value += static_cast<T>(random_normal_at(noise.seed, noise.offset, i)) * deviation[i];
    }
    return temperature == T{1} ? value : value / temperature;  // alike for all: no divergence
  }
};

}  // namespace switchyard::kernels
