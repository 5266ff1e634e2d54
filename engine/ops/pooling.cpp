#include "engine/ops/pooling.h"

#include "engine/autograd/node.h"
#include "engine/core/run.h"
#include "engine/ops/precision.h"
#include "kernels/api/pooling.h"

namespace switchyard {

using Gradients = std::vector<Tensor>;

Tensor global_average_pool(const Tensor& x) {
  check_same_kind("global_average_pool", {&x});
  check(x.rank() == 4, "[global_average_pool] needs [N, H, W, C], got {}", x.shape());
  const std::int64_t pixels = x.size(1) * x.size(2);
  check(pixels > 0, "[global_average_pool] shape {} has no pixels", x.shape());
  if (is_bfloat16(x)) return in_float32("global_average_pool", global_average_pool, x);
  Tensor y = Tensor::empty({x.size(0), x.size(3)}, x.dtype(), x.device());
  run("global_average_pool", x, [&]<class T>() {
    return kernels::GlobalAveragePool<T>{.x = x.data<T>(),
                                         .y = y.data<T>(),
                                         .images = x.size(0),
                                         .pixels = pixels,
                                         .channels = x.size(3)};
  });
  return record("global_average_pool", y, {x}, Saved::nothing(), [](const Vjp& v) -> Gradients {
    return {global_average_unpool(v.cotangent(), v.input_shape(0)[1], v.input_shape(0)[2])};
  });
}

Tensor global_average_unpool(const Tensor& y, std::int64_t height, std::int64_t width) {
  check_same_kind("global_average_unpool", {&y});
  check(y.rank() == 2, "[global_average_unpool] needs [N, C], got {}", y.shape());
  check(height > 0 && width > 0, "[global_average_unpool] {} x {} is no image", height, width);
  if (is_bfloat16(y)) {
    return in_float32(
        "global_average_unpool",
        [&](const Tensor& wide) { return global_average_unpool(wide, height, width); }, y);
  }
  Tensor x = Tensor::empty({y.size(0), height, width, y.size(1)}, y.dtype(), y.device());
  run("global_average_unpool", y, [&]<class T>() {
    return kernels::GlobalAverageUnpool<T>{.y = y.data<T>(),
                                           .x = x.data<T>(),
                                           .images = y.size(0),
                                           .pixels = height * width,
                                           .channels = y.size(1)};
  });
  return record("global_average_unpool", x, {y}, Saved::nothing(),
                [](const Vjp& v) -> Gradients { return {global_average_pool(v.cotangent())}; });
}

}  // namespace switchyard
