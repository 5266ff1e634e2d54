#include "engine/ops/dropout.h"

#include "engine/autograd/node.h"
#include "engine/ops/executor.h"
#include "kernels/api/random.h"

namespace switchyard {
namespace {

kernels::RandomStretch stretch_at(RandomPosition position) {
  return {.seed = position.seed, .offset = position.offset};
}

}  // namespace

Tensor dropout(const Tensor& x, double p, RandomPosition position) {
  check(x.defined(), "[dropout] the input is undefined");
  check(p >= 0.0 && p < 1.0, "[dropout] probability {} is outside [0, 1)", p);
  Tensor y = empty_like(x);
  launch("dropout", x, [&]<class T>(auto& exec) {
    kernels::dropout(exec, x.numel(), x.data<T>(), y.data<T>(), p, stretch_at(position));
  });
  return record("dropout", std::move(y), {x}, Saved::nothing(), [p, position](const Vjp& vjp) {
    return std::vector{dropout(vjp.cotangent(), p, position)};
  });
}

Tensor random_normal(const Shape& shape, DType dtype, RandomPosition position, Device device) {
  Tensor y = Tensor::empty(shape, dtype, device);
  launch("random_normal", y, [&]<class T>(auto& exec) {
    kernels::random_normal(exec, y.numel(), y.data<T>(), stretch_at(position));
  });
  return y;
}

Tensor random_uniform(const Shape& shape, DType dtype, RandomPosition position, Device device) {
  Tensor y = Tensor::empty(shape, dtype, device);
  launch("random_uniform", y, [&]<class T>(auto& exec) {
    kernels::random_uniform(exec, y.numel(), y.data<T>(), stretch_at(position));
  });
  return y;
}

Tensor random_sign(const Shape& shape, DType dtype, RandomPosition position, Device device) {
  Tensor y = Tensor::empty(shape, dtype, device);
  launch("random_sign", y, [&]<class T>(auto& exec) {
    kernels::random_sign(exec, y.numel(), y.data<T>(), stretch_at(position));
  });
  return y;
}

}  // namespace switchyard
