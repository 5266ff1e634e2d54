#pragma once

#include "engine/nn/module.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/matmul.h"
#include "engine/ops/norm.h"

namespace switchyard::nn {

/// y = x Wᵀ + b with x [N, in], W [out, in], b [out]. PyTorch's default initialisation.
class Linear : public Module {
 public:
  Linear(std::int64_t in, std::int64_t out, DType dtype, Generator& random);

  /// `result` says in which dtype y comes where x is bfloat16.
  Tensor forward(const Tensor& x, ProductDType result = ProductDType::kOperands) const;
  const Tensor& weight() const { return weight_; }
  const Tensor& bias() const { return bias_; }

 private:
  Tensor weight_;
  Tensor bias_;
};

/// Says which distribution a convolution's weights start from.
enum class ConvInit {
  kPyTorch,     ///< default_init: what torch.nn.Conv2d does
  kTorchvision  ///< kaiming_normal_init: what torchvision's ResNets do
};

/// Square convolution without bias (a batch norm follows): x [N, H, W, in] -> [N, OH, OW, out].
/// The weight is [out, kernel, kernel, in].
class Conv2d : public Module {
 public:
  Conv2d(std::int64_t in, std::int64_t out, int kernel, ConvParams params, ConvInit init,
         DType dtype, Generator& random);

  Tensor forward(const Tensor& x) const;
  const Tensor& weight() const { return weight_; }
  ConvParams params() const { return params_; }

 private:
  Tensor weight_;
  ConvParams params_;
};

/// Batch normalisation of the last axis (Ioffe & Szegedy, 2015) with PyTorch's conventions: epsilon
/// 1e-5; running statistics move by 0.1 towards those of each training batch, the variance as its
/// unbiased estimate.
class BatchNorm2d : public Module {
 public:
  static constexpr double kEpsilon = 1e-5;
  static constexpr double kMomentum = 0.1;

  BatchNorm2d(std::int64_t channels, DType dtype);

  /// x [N, H, W, C] -> [relu](normalised + residual). Training mode normalises with the batch's
  /// statistics and updates the running ones in place; evaluation mode uses the running ones.
  Tensor forward(const Tensor& x, Mode mode, const NormTail& tail = {});

  /// Evaluation mode as x·scale + shift, per channel: what an inference plan folds into the
  /// convolution before it. No history.
  struct Affine {
    Tensor scale;  ///< [C]
    Tensor shift;  ///< [C]
  };
  Affine evaluation_affine() const;

 private:
  Tensor weight_;               // [C]
  Tensor bias_;                 // [C]
  Tensor running_mean_;         // [C]
  Tensor running_variance_;     // [C]
  Tensor num_batches_tracked_;  // scalar int64
};

/// Inverted dropout: in training mode zeroes each element with probability p and scales the rest by
/// 1/(1-p), drawing from the mode's generator; otherwise the identity. Error unless 0 <= p < 1 and
/// when training without a generator.
Tensor dropout(const Tensor& x, double p, Mode mode);

/// The mode's generator. Error naming `user` when there is none.
Generator& random_of(Mode mode, std::string_view user);

}  // namespace switchyard::nn
