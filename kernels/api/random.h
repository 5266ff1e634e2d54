#pragma once

#include <cstdint>

#include "kernels/api/kernel.h"

// These kernels draw random numbers, T = float and double. They depend on the stretch and the
// element's number alone: the same on every device and for any number of threads.

namespace switchyard::kernels {

/// Stretch of a Philox stream: element i uses word i mod 4 of block offset + i/4
/// (kernels/common/philox.h).
struct RandomStretch {
  std::uint64_t seed = 0;
  std::uint64_t offset = 0;
};

/// y[i] = 0 with probability p, else x[i] / (1 - p). The mask depends on `stretch` and i alone.
template <class T>
struct Dropout {
  static constexpr std::string_view kName = "dropout";
  const T* x = nullptr;  ///< [count]
  T* y = nullptr;        ///< [count]; does not overlap x
  std::int64_t count = 0;
  double p = 0.0;  ///< 0 <= p < 1
  RandomStretch stretch = {};
  Work work() const { return {.bytes = bytes_of<T>(2 * count)}; }
};

/// Standard normal numbers; the same values on every device up to rounding of log, cos and sin.
template <class T>
struct RandomNormal {
  static constexpr std::string_view kName = "random_normal";
  T* y = nullptr;  ///< [count]
  std::int64_t count = 0;
  RandomStretch stretch = {};
  Work work() const { return {.bytes = bytes_of<T>(count)}; }
};

/// Uniform numbers in [0, 1).
template <class T>
struct RandomUniform {
  static constexpr std::string_view kName = "random_uniform";
  T* y = nullptr;  ///< [count]
  std::int64_t count = 0;
  RandomStretch stretch = {};
  Work work() const { return {.bytes = bytes_of<T>(count)}; }
};

/// Draws ±1 with equal probability.
template <class T>
struct RandomSign {
  static constexpr std::string_view kName = "random_sign";
  T* y = nullptr;  ///< [count]
  std::int64_t count = 0;
  RandomStretch stretch = {};
  Work work() const { return {.bytes = bytes_of<T>(count)}; }
};

}  // namespace switchyard::kernels
