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

  explicit GateLogits(const Gate<T>& a)
      : logits(a.logits),
        deviation(a.deviation),
        temperature(static_cast<T>(a.temperature)),
        noise(a.noise) {}

  SWITCHYARD_HOST_DEVICE T operator()(std::int64_t i) const {
    T value = logits[i];
    if (deviation != nullptr) {
      value += static_cast<T>(random_normal_at(noise.seed, noise.offset, i)) * deviation[i];
    }
    return temperature == T{1} ? value : value / temperature;  // alike for all: no divergence
  }
};

}  // namespace switchyard::kernels
