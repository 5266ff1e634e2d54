#pragma once

#include <cstdint>

#include "kernels/api/variants.h"

// Random numbers, T = float and double. They depend on the stretch and the element's number alone:
// the same on every device and for any number of threads.

namespace switchyard::kernels {

/// Stretch of a Philox stream: element i uses word i mod 4 of block offset + i/4
/// (kernels/common/philox.h).
struct RandomStretch {
  std::uint64_t seed = 0;
  std::uint64_t offset = 0;
};

/// y[i] = 0 with probability p (0 <= p < 1), else x[i] / (1 - p); x and y do not overlap. The mask
/// depends on `stretch` and i alone.
template <class Exec, class T>
void dropout(Exec& exec, std::int64_t count, const T* x, T* y, double p, RandomStretch stretch);

/// Standard normal numbers; the same values on every device up to rounding of log, cos and sin.
template <class Exec, class T>
void random_normal(Exec& exec, std::int64_t count, T* y, RandomStretch stretch);

/// Uniform numbers in [0, 1).
template <class Exec, class T>
void random_uniform(Exec& exec, std::int64_t count, T* y, RandomStretch stretch);

/// ±1 with equal probability.
template <class Exec, class T>
void random_sign(Exec& exec, std::int64_t count, T* y, RandomStretch stretch);

template <class Exec, class T>
using DropoutFunction = void(Exec&, std::int64_t count, const T* x, T* y, double p,
                             RandomStretch stretch);
template <class Exec, class T>
using RandomFunction = void(Exec&, std::int64_t count, T* y, RandomStretch stretch);

// The ladders behind them (kernels/cuda/random.cu). A variant throws std::invalid_argument where
// what it needs is not met and for more elements than a grid covers.
template <class Exec, class T>
VariantLadder<DropoutFunction<Exec, T>> dropout_ladder();
template <class Exec, class T>
VariantLadder<RandomFunction<Exec, T>> random_normal_ladder();
template <class Exec, class T>
VariantLadder<RandomFunction<Exec, T>> random_uniform_ladder();
template <class Exec, class T>
VariantLadder<RandomFunction<Exec, T>> random_sign_ladder();

}  // namespace switchyard::kernels
