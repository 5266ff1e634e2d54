#include "engine/ops/optimizer.h"

#include <type_traits>
#include <utility>
#include <vector>

#include "engine/core/fault.h"
#include "engine/core/run.h"
#include "kernels/api/optimizer.h"

namespace switchyard {
namespace {

void check_parameter(const SgdTensors& first, const SgdTensors& p) {
  check_same_kind("sgd_step", {&first.g, &p.g});
  check_same_kind("sgd_step", {&first.w, &p.w, &p.m});
  check_same_device("sgd_step", {&first.w, &first.g});
  check(p.w.dtype() == sum_dtype(p.g.dtype()), "[sgd_step] a gradient in {} needs {}, got {}",
        name(p.g.dtype()), name(sum_dtype(p.g.dtype())), name(p.w.dtype()));
  check(p.w.shape() == p.g.shape() && p.w.shape() == p.m.shape(),
        "[sgd_step] parameter {}, gradient {} and momentum {} differ in shape", p.w.shape(),
        p.g.shape(), p.m.shape());
  if (p.g.dtype() != DType::kBFloat16) return;
  check_same_kind("sgd_step", {&p.g, &p.parameter});
  check(p.parameter.shape() == p.w.shape(), "[sgd_step] parameter {} and master {} differ in shape",
        p.parameter.shape(), p.w.shape());
}

template <class T>
kernels::SgdParameter<T> arrays_of(SgdTensors p) {  // copies of the handles: constness is theirs
  using Number = kernels::ResultOf<T>;
  kernels::SgdParameter<T> arrays = {p.w.numel(), p.w.data<Number>(), std::as_const(p.g).data<T>(),
                                     p.m.data<Number>()};
  if constexpr (std::is_same_v<T, BFloat16>) arrays.parameter = p.parameter.data<T>();
  return arrays;
}

template <class T>
void step(std::span<const SgdTensors> parameters, double rate, double momentum, double decay) {
  std::vector<kernels::SgdParameter<T>> list;
  list.reserve(parameters.size());
  for (const SgdTensors& p : parameters) list.push_back(arrays_of<T>(p));
  const Device device = parameters[0].w.device();
  run("sgd_step", device,
      kernels::SgdStepMany<T>{.parameters = list,
                              .rate = rate,
                              .momentum = momentum,
                              .decay = decay,
                              .fault = fault_word(device)});
}

}  // namespace

void sgd_step(std::span<const SgdTensors> parameters, double rate, double momentum, double decay) {
  if (parameters.empty()) return;
  for (const SgdTensors& p : parameters) check_parameter(parameters[0], p);
  const DType dtype = parameters[0].g.dtype();
  if (dtype == DType::kBFloat16) return step<BFloat16>(parameters, rate, momentum, decay);
  dispatch_floating(dtype, "sgd_step",
                    [&]<class T>() { step<T>(parameters, rate, momentum, decay); });
}

}  // namespace switchyard
