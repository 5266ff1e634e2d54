#pragma once

#include "engine/core/tensor.h"

namespace switchyard {

/// Fused tail of a normalisation: y = [relu](normalised + residual).
struct NormTail {
  Tensor residual;  ///< same shape as x, or undefined
  bool relu = false;
};

/// Statistics for evaluation mode that a batch in training mode moves, in place.
struct RunningMoments {
  Tensor mean;            ///< [C], or undefined: none are kept
  Tensor variance;        ///< [C] unbiased
  double momentum = 0.1;  ///< the batch's share
};

struct BatchNormResult {
  Tensor y;
  Tensor mean;      ///< [C] of this batch, without history
  Tensor variance;  ///< [C] biased, without history
};

/// Training-mode batch normalisation over all axes but the last (channels): Ioffe & Szegedy, 2015,
/// alg. 1. x [.., C], gamma and beta [C]. Forward and backward are fused with the tail; the second
/// order is that of batch_norm_composed. Statistics and running moments of bfloat16 tensors are
/// float32. Errors: shapes; fewer than 2 values per channel.
BatchNormResult batch_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, double epsilon,
                           const NormTail& tail = {}, RunningMoments running = {});
/// Computes the same function out of simple operations.
Tensor batch_norm_composed(const Tensor& x, const Tensor& gamma, const Tensor& beta, double epsilon,
                           const NormTail& tail = {});

/// Per-channel affine map of the last axis, y = [relu](x·scale + shift + residual): batch
/// normalisation in evaluation mode. x [.., C], scale and shift [C].
Tensor channel_affine(const Tensor& x, const Tensor& scale, const Tensor& shift,
                      const NormTail& tail = {});
/// Evaluation-mode batch normalisation with running statistics (constants), through channel_affine.
Tensor batch_norm_inference(const Tensor& x, const Tensor& gamma, const Tensor& beta,
                            const Tensor& running_mean, const Tensor& running_variance,
                            double epsilon, const NormTail& tail = {});

// The bilinear pair behind it: x·a along the last axis, and its transpose Σ_rows x·y -> [C].
Tensor channel_scale(const Tensor& x, const Tensor& a);
Tensor channel_dot(const Tensor& x, const Tensor& y);

}  // namespace switchyard
