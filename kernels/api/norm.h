#pragma once

#include <cstdint>

#include "kernels/api/variants.h"

namespace switchyard::kernels {

// Normalisation over rows: tensors are [rows, channels], statistics and parameters [channels].

/// Tail fused behind a per-channel affine map: y = [relu](x·scale + shift + residual).
template <class T>
struct AffineTail {
  const T* residual = nullptr;  ///< [rows, channels] or null
  bool relu = false;            ///< NaN stays NaN
};

/// Training-mode batch normalisation: writes y [rows, channels] and the batch's mean and biased
/// variance [channels]. Reads x twice (statistics, then the map). rows >= 1.
template <class Exec, class T>
void batch_norm_forward(Exec& exec, std::int64_t rows, std::int64_t channels, const T* x,
                        const T* gamma, const T* beta, double epsilon, AffineTail<T> tail, T* y,
                        T* mean, T* variance);

template <class T>
struct BatchNormBackward {
  const T* gy = nullptr;  ///< [rows, channels]
  const T* x = nullptr;   ///< [rows, channels]
  const T* y = nullptr;   ///< [rows, channels]: the forward output if a ReLU was fused, else null
  const T* gamma = nullptr;     ///< [channels]
  const T* mean = nullptr;      ///< [channels]
  const T* variance = nullptr;  ///< [channels] biased
  double epsilon = 0;
  T* gx = nullptr;      ///< [rows, channels]
  T* ggamma = nullptr;  ///< [channels]
  T* gbeta = nullptr;   ///< [channels]
  T* gtail = nullptr;   ///< [rows, channels]: gy behind the ReLU, or null when not wanted
};
/// Ioffe & Szegedy (2015), section 3, with the ReLU's mask applied on the way.
template <class Exec, class T>
void batch_norm_backward(Exec& exec, std::int64_t rows, std::int64_t channels,
                         const BatchNormBackward<T>& arguments);

/// y = [relu](x·scale + shift + residual); `shift` may be null for zero.
template <class Exec, class T>
void channel_affine(Exec& exec, std::int64_t rows, std::int64_t channels, const T* x,
                    const T* scale, const T* shift, AffineTail<T> tail, T* y);

template <class Exec, class T>
using BatchNormForwardFunction = void(Exec&, std::int64_t rows, std::int64_t channels, const T* x,
                                      const T* gamma, const T* beta, double epsilon,
                                      AffineTail<T> tail, T* y, T* mean, T* variance);
template <class Exec, class T>
using BatchNormBackwardFunction = void(Exec&, std::int64_t rows, std::int64_t channels,
                                       const BatchNormBackward<T>& arguments);
template <class Exec, class T>
using ChannelAffineFunction = void(Exec&, std::int64_t rows, std::int64_t channels, const T* x,
                                   const T* scale, const T* shift, AffineTail<T> tail, T* y);

// The ladders behind them (kernels/cuda/norm.cu). A variant throws std::invalid_argument where what
// it needs is not met and for sizes that 32-bit indices do not cover.
template <class Exec, class T>
VariantLadder<BatchNormForwardFunction<Exec, T>> batch_norm_forward_ladder();
template <class Exec, class T>
VariantLadder<BatchNormBackwardFunction<Exec, T>> batch_norm_backward_ladder();
template <class Exec, class T>
VariantLadder<ChannelAffineFunction<Exec, T>> channel_affine_ladder();

}  // namespace switchyard::kernels
