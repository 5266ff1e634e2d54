#pragma once

#include <cstdint>

#include "kernels/api/kernel.h"
#include "kernels/common/host_device.h"

// Normalisation over rows, T = float and double: tensors are [rows, channels], statistics and
// parameters [channels].

namespace switchyard::kernels {

/// Evaluation mode normalises with these; a call in training mode moves them towards the batch.
template <class T>
struct RunningStatistics {
  T* mean = nullptr;      ///< [channels], or null: nobody keeps any
  T* variance = nullptr;  ///< [channels] unbiased
  double momentum = 0.0;  ///< the batch's share

  /// Channel c, of `rows` > 1 values with this mean and biased variance.
  SWITCHYARD_HOST_DEVICE void update(std::int64_t c, T batch_mean, T batch_variance,
                                     double rows) const {
    if (mean == nullptr) return;
    const T keep = static_cast<T>(1.0 - momentum);
    mean[c] = mean[c] * keep + batch_mean * static_cast<T>(momentum);
    variance[c] =
        variance[c] * keep + batch_variance * static_cast<T>(momentum * (rows / (rows - 1.0)));
  }
};

/// Training-mode batch normalisation with the batch's mean and biased variance:
/// y = [relu]((x - mean) / sqrt(variance + epsilon) · gamma + beta + residual). rows >= 1.
template <class T>
struct BatchNormForward {
  static constexpr std::string_view kName = "batch_norm_forward";
  const T* x = nullptr;         ///< [rows, channels]
  const T* gamma = nullptr;     ///< [channels]
  const T* beta = nullptr;      ///< [channels]
  const T* residual = nullptr;  ///< [rows, channels] or null
  bool relu = false;            ///< NaN stays NaN
  double epsilon = 0.0;
  T* y = nullptr;         ///< [rows, channels]
  T* mean = nullptr;      ///< [channels], written
  T* variance = nullptr;  ///< [channels], written: biased
  RunningStatistics<T> running = {};
  std::int64_t rows = 0;
  std::int64_t channels = 0;
  Work work() const {
    const std::int64_t vectors = running.mean != nullptr ? 8 : 4;
    return {.bytes =
                bytes_of<T>((residual != nullptr ? 3 : 2) * rows * channels + vectors * channels)};
  }
};

/// Ioffe & Szegedy (2015), section 3, with the ReLU's mask applied on the way: the gradients for x,
/// gamma, beta and, behind the ReLU, for the residual.
template <class T>
struct BatchNormBackward {
  static constexpr std::string_view kName = "batch_norm_backward";
  const T* gy = nullptr;  ///< [rows, channels]
  const T* x = nullptr;   ///< [rows, channels]
  const T* y = nullptr;   ///< [rows, channels]: the forward output if a ReLU was fused, else null
  const T* gamma = nullptr;     ///< [channels]
  const T* mean = nullptr;      ///< [channels]
  const T* variance = nullptr;  ///< [channels] biased
  double epsilon = 0.0;
  T* gx = nullptr;      ///< [rows, channels]
  T* ggamma = nullptr;  ///< [channels]
  T* gbeta = nullptr;   ///< [channels]
  T* gtail = nullptr;   ///< [rows, channels]: gy behind the ReLU, or null when not wanted
  std::int64_t rows = 0;
  std::int64_t channels = 0;
  Work work() const {
    const std::int64_t matrices = 3 + (y != nullptr ? 1 : 0) + (gtail != nullptr ? 1 : 0);
    return {.bytes = bytes_of<T>(matrices * rows * channels + 5 * channels)};
  }
};

/// y = [relu](x · scale + shift + residual).
template <class T>
struct ChannelAffine {
  static constexpr std::string_view kName = "channel_affine";
  const T* x = nullptr;         ///< [rows, channels]
  const T* scale = nullptr;     ///< [channels]
  const T* shift = nullptr;     ///< [channels], or null for zero
  const T* residual = nullptr;  ///< [rows, channels] or null
  bool relu = false;            ///< NaN stays NaN
  T* y = nullptr;               ///< [rows, channels]
  std::int64_t rows = 0;
  std::int64_t channels = 0;
  Work work() const {
    return {.bytes = bytes_of<T>((residual != nullptr ? 3 : 2) * rows * channels +
                                 (shift != nullptr ? 2 : 1) * channels)};
  }
};

}  // namespace switchyard::kernels
