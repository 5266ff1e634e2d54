#include "engine/nn/layers.h"

#include "engine/autograd/node.h"
#include "engine/nn/init.h"
#include "engine/ops/dropout.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/precision.h"

namespace switchyard::nn {

Linear::Linear(std::int64_t in, std::int64_t out, DType dtype, Generator& random)
    : weight_(default_init({out, in}, in, dtype, random)),
      bias_(default_init({out}, in, dtype, random)) {
  register_parameter("weight", weight_);
  register_parameter("bias", bias_);
}

Tensor Linear::forward(const Tensor& x, ProductDType result) const {
  return linear(x, weight_, bias_, result);
}

Conv2d::Conv2d(std::int64_t in, std::int64_t out, int kernel, ConvParams params, ConvInit init,
               DType dtype, Generator& random)
    : params_(params) {
  const Shape shape = {out, kernel, kernel, in};
  const std::int64_t window = std::int64_t{kernel} * kernel;
  weight_ = init == ConvInit::kPyTorch ? default_init(shape, window * in, dtype, random)
                                       : kaiming_normal_init(shape, window * out, dtype, random);
  register_parameter("weight", weight_, NamedTensor::Layout::kConvWeight);
}

Tensor Conv2d::forward(const Tensor& x) const { return conv2d(x, weight_, params_); }

BatchNorm2d::BatchNorm2d(std::int64_t channels, DType dtype)
    : weight_(Tensor::full({channels}, 1.0, dtype)),
      bias_(Tensor::zeros({channels}, dtype)),
      running_mean_(Tensor::zeros({channels}, sum_dtype(dtype))),
      running_variance_(Tensor::full({channels}, 1.0, sum_dtype(dtype))),
      num_batches_tracked_(Tensor::zeros({}, DType::kInt64)) {
  register_parameter("weight", weight_);
  register_parameter("bias", bias_);
  register_buffer("running_mean", running_mean_);
  register_buffer("running_var", running_variance_);
  register_buffer("num_batches_tracked", num_batches_tracked_);
}

Tensor BatchNorm2d::forward(const Tensor& x, Mode mode, const NormTail& tail) {
  if (!mode.training) {
    return batch_norm_inference(x, weight_, bias_, running_mean_, running_variance_, kEpsilon,
                                tail);
  }
  const Tensor y =
      batch_norm(x, weight_, bias_, kEpsilon, tail, {running_mean_, running_variance_, kMomentum})
          .y;
  ++*num_batches_tracked_.data<std::int64_t>();
  return y;
}

BatchNorm2d::Affine BatchNorm2d::evaluation_affine() const {
  NoGrad guard;
  const Tensor scale = widened(weight_) / sqrt(running_variance_ + kEpsilon);
  return {scale, widened(bias_) - running_mean_ * scale};
}

Tensor dropout(const Tensor& x, double p, Mode mode) {
  if (!mode.training || p == 0.0) return x;
  return switchyard::dropout(x, p, random_of(mode, "dropout").next(x.numel()));
}

Generator& random_of(Mode mode, std::string_view user) {
  check(mode.random != nullptr, "[{}] training mode needs a random generator", user);
  return *mode.random;
}

}  // namespace switchyard::nn
