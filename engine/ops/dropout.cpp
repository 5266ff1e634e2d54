#include "engine/ops/dropout.h"

#include "engine/autograd/node.h"
#include "engine/core/run.h"
#include "engine/ops/precision.h"
#include "kernels/api/random.h"

namespace switchyard {

Tensor dropout(const Tensor& x, double p, RandomPosition position) {
  check(x.defined(), "[dropout] the input is undefined");
  check(p >= 0.0 && p < 1.0, "[dropout] probability {} is outside [0, 1)", p);
  if (is_bfloat16(x)) {
    return in_float32(
        "dropout", [&](const Tensor& wide) { return dropout(wide, p, position); }, x);
  }
  Tensor y = empty_like(x);
  run("dropout", x, [&]<class T>() {
    return kernels::Dropout<T>{.x = x.data<T>(),
                               .y = y.data<T>(),
                               .count = x.numel(),
                               .p = p,
                               .stretch = {.seed = position.seed, .offset = position.offset}};
  });
  return record(
      {"dropout", {{"p", p}}}, std::move(y), {x}, Saved::nothing(),
      [p, position](const Vjp& v) { return std::vector{dropout(v.cotangent(), p, position)}; });
}

}  // namespace switchyard
