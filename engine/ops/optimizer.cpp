#include "engine/ops/optimizer.h"

#include <vector>

#include "engine/core/fault.h"
#include "engine/core/run.h"
#include "kernels/api/optimizer.h"

namespace switchyard {

void sgd_step(std::span<const SgdTensors> parameters, double rate, double momentum, double decay) {
  if (parameters.empty()) return;
  const Tensor& first = parameters[0].w;
  for (const SgdTensors& p : parameters) {
    check_same_kind("sgd_step", {&first, &p.w, &p.g, &p.m});
    check(p.w.shape() == p.g.shape() && p.w.shape() == p.m.shape(),
          "[sgd_step] parameter {}, gradient {} and momentum {} differ in shape", p.w.shape(),
          p.g.shape(), p.m.shape());
  }
  dispatch_floating(first.dtype(), "sgd_step", [&]<class T>() {
    std::vector<kernels::SgdParameter<T>> list;
    list.reserve(parameters.size());
    for (SgdTensors p : parameters) {  // copies of the handles: constness is theirs, not the data's
      list.push_back({p.w.numel(), p.w.data<T>(), p.g.data<T>(), p.m.data<T>()});
    }
    run("sgd_step", first.device(),
        kernels::SgdStepMany<T>{.parameters = list,
                                .rate = rate,
                                .momentum = momentum,
                                .decay = decay,
                                .fault = fault_word(first.device())});
  });
}

}  // namespace switchyard
