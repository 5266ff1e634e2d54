#pragma once

#include <cstdint>

#include "kernels/api/variants.h"

// The mean over each channel of each image and its transpose, T = float and double. Images are
// [images, pixels, channels], NHWC with height and width as one axis. Sums are taken in double.

namespace switchyard::kernels {

/// x [images, pixels, channels] -> y [images, channels]: means over the pixels; pixels >= 1.
template <class Exec, class T>
void global_average_pool(Exec&, const T* x, T* y, std::int64_t images, std::int64_t pixels,
                         std::int64_t channels);

/// y [images, channels] -> x [images, pixels, channels]: y / pixels at every pixel, which is the
/// transpose of global_average_pool and its gradient.
template <class Exec, class T>
void global_average_unpool(Exec&, const T* y, T* x, std::int64_t images, std::int64_t pixels,
                           std::int64_t channels);

/// Either of the two, from `in` to `out`.
template <class Exec, class T>
using PoolFunction = void(Exec&, const T* in, T* out, std::int64_t images, std::int64_t pixels,
                          std::int64_t channels);

// The ladders behind them (kernels/cuda/pooling.cu). A variant throws std::invalid_argument where
// what it needs is not met and for more elements than a grid covers.
template <class Exec, class T>
VariantLadder<PoolFunction<Exec, T>> global_average_pool_ladder();
template <class Exec, class T>
VariantLadder<PoolFunction<Exec, T>> global_average_unpool_ladder();

}  // namespace switchyard::kernels
