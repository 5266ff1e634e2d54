#include "engine/ops/optimizer.h"

#include "engine/ops/executor.h"
#include "kernels/api/optimizer.h"

namespace switchyard {

void sgd_step(Tensor& w, const Tensor& g, Tensor& momentum_buffer, double rate, double momentum,
              double decay) {
  check_same_kind("sgd_step", {&w, &g, &momentum_buffer});
  check(w.shape() == g.shape() && w.shape() == momentum_buffer.shape(),
        "[sgd_step] parameter {}, gradient {} and momentum {} differ in shape",
        w.shape().to_string(), g.shape().to_string(), momentum_buffer.shape().to_string());
  launch("sgd_step", w, [&]<class T>(auto& exec) {
    kernels::sgd_step(exec, w.numel(), w.data<T>(), g.data<T>(), momentum_buffer.data<T>(),
                      {.rate = rate, .momentum = momentum, .decay = decay});
  });
}

}  // namespace switchyard
