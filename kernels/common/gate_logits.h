#pragma once

#include <cstdint>

#include "kernels/api/gate.h"
#include "kernels/common/philox.h"

namespace switchyard::kernels {

/// The numbers that a gate chooses by, computed where they are needed: element i of
/// v = dropout(logits + deviation · normal) / temperature, over [tokens, experts].
template <class T>
struct GateLogits {
  const T* logits;
  const T* deviation;  ///< null: no noise
  T temperature;
  RandomStretch noise;
  std::uint32_t threshold;  ///< a word of `mask` below it drops its logit; 0: none is dropped
  T keep;                   ///< 1 / (1 - dropout)
  RandomStretch mask;
  T* values;  ///< where v goes, or null

  explicit GateLogits(const Gate<T>& a)
      : logits(a.logits),
        deviation(a.deviation),
        temperature(static_cast<T>(a.temperature)),
        noise(a.noise),
        threshold(drop_threshold(a.dropout)),
        keep(static_cast<T>(1.0 / (1.0 - a.dropout))),
        mask(a.mask),
        values(a.values) {}

  SWITCHYARD_HOST_DEVICE T operator()(std::int64_t i) const {
    T value = logits[i];
    if (deviation != nullptr) {
      value += static_cast<T>(random_normal_at(noise.seed, noise.offset, i)) * deviation[i];
    }
    if (threshold > 0) {  // alike for all: no divergence
      value = random_word(mask.seed, mask.offset, i) < threshold ? T{0} : value * keep;
    }
    return temperature == T{1} ? value : value / temperature;
  }

  /// Returns the same value and writes it to `values` if anybody asked for it.
  SWITCHYARD_HOST_DEVICE T written(std::int64_t i) const {
    const T value = (*this)(i);
    if (values != nullptr) values[i] = value;
    return value;
  }
};

}  // namespace switchyard::kernels
