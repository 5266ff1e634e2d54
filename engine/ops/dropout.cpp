#include "engine/ops/dropout.h"

#include "engine/autograd/node.h"
#include "engine/ops/executor.h"
#include "kernels/api/random.h"

namespace switchyard {

Tensor dropout(const Tensor& x, double p, RandomPosition position) {
  check(x.defined(), "[dropout] the input is undefined");
  check(p >= 0.0 && p < 1.0, "[dropout] probability {} is outside [0, 1)", p);
  Tensor y = empty_like(x);
  launch("dropout", x, [&]<class T>(auto& exec) {
    kernels::dropout(exec, x.numel(), x.data<T>(), y.data<T>(), p,
                     {.seed = position.seed, .offset = position.offset});
  });
  return record("dropout", std::move(y), {x}, Saved::nothing(), [p, position](const Vjp& v) {
    return std::vector{dropout(v.cotangent(), p, position)};
  });
}

}  // namespace switchyard
