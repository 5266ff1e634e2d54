#include "engine/ops/pooling.h"

#include "engine/autograd/node.h"
#include "engine/ops/executor.h"
#include "kernels/api/pooling.h"

namespace switchyard {

using Gradients = std::vector<Tensor>;

Tensor global_average_pool(const Tensor& x) {
  check_same_kind("global_average_pool", {&x});
  check(x.rank() == 4, "[global_average_pool] needs [N, H, W, C], got {}", x.shape());
  const std::int64_t pixels = x.size(1) * x.size(2);
  check(pixels > 0, "[global_average_pool] shape {} has no pixels", x.shape());
  Tensor y = Tensor::empty({x.size(0), x.size(3)}, x.dtype(), x.device());
  launch("global_average_pool", x, [&]<class T>(auto& executor) {
    kernels::global_average_pool(executor, x.data<T>(), y.data<T>(), x.size(0), pixels, x.size(3));
  });
  return record("global_average_pool", y, {x}, Saved::nothing(), [](const Vjp& v) -> Gradients {
    return {global_average_unpool(v.cotangent(), v.input_shape(0)[1], v.input_shape(0)[2])};
  });
}

Tensor global_average_unpool(const Tensor& y, std::int64_t height, std::int64_t width) {
  check_same_kind("global_average_unpool", {&y});
  check(y.rank() == 2, "[global_average_unpool] needs [N, C], got {}", y.shape());
  check(height > 0 && width > 0, "[global_average_unpool] {} x {} is no image", height, width);
  Tensor x = Tensor::empty({y.size(0), height, width, y.size(1)}, y.dtype(), y.device());
  launch("global_average_unpool", y, [&]<class T>(auto& executor) {
    kernels::global_average_unpool(executor, y.data<T>(), x.data<T>(), y.size(0), height * width,
                                   y.size(1));
  });
  return record("global_average_unpool", x, {y}, Saved::nothing(),
                [](const Vjp& v) -> Gradients { return {global_average_pool(v.cotangent())}; });
}

}  // namespace switchyard
