#include "engine/ops/dropout.h"

#include "engine/autograd/node.h"
#include "engine/ops/run.h"
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
  run("dropout", x, [&]<class T>() {
    return kernels::Dropout<T>{.x = x.data<T>(),
                               .y = y.data<T>(),
                               .count = x.numel(),
                               .p = p,
                               .stretch = stretch_at(position)};
  });
  return record("dropout", std::move(y), {x}, Saved::nothing(), [p, position](const Vjp& vjp) {
    return std::vector{dropout(vjp.cotangent(), p, position)};
  });
}

Tensor random_normal(const Shape& shape, DType dtype, RandomPosition position, Device device) {
  Tensor y = Tensor::empty(shape, dtype, device);
  run("random_normal", y, [&]<class T>() {
    return kernels::RandomNormal<T>{
        .y = y.data<T>(), .count = y.numel(), .stretch = stretch_at(position)};
  });
  return y;
}

Tensor random_uniform(const Shape& shape, DType dtype, RandomPosition position, Device device) {
  Tensor y = Tensor::empty(shape, dtype, device);
  run("random_uniform", y, [&]<class T>() {
    return kernels::RandomUniform<T>{
        .y = y.data<T>(), .count = y.numel(), .stretch = stretch_at(position)};
  });
  return y;
}

Tensor random_sign(const Shape& shape, DType dtype, RandomPosition position, Device device) {
  Tensor y = Tensor::empty(shape, dtype, device);
  run("random_sign", y, [&]<class T>() {
    return kernels::RandomSign<T>{
        .y = y.data<T>(), .count = y.numel(), .stretch = stretch_at(position)};
  });
  return y;
}

}  // namespace switchyard
