#include "engine/ops/gate_backward.h"

#include "engine/autograd/node.h"
#include "engine/core/run.h"
#include "engine/ops/routing.h"
#include "engine/ops/softmax.h"
#include "kernels/api/gate_backward.h"

namespace switchyard {
namespace {

void check_choices(std::string_view op, const Tensor& gweights, const Tensor& indices) {
  check(gweights.rank() == 2 && gweights.size(1) >= 1, "[{}] needs gradients [T, k], got {}", op,
        gweights.shape());
  check(indices.shape() == gweights.shape() && indices.dtype() == DType::kInt64,
        "[{}] needs indices {} int64, got {} {}", op, gweights.shape(), indices.shape(),
        name(indices.dtype()));
  check_same_device(op, {&gweights, &indices});
}

/// Runs the kernel; one of `weights` and `values` is undefined.
Tensor gate_backward(std::string_view op, const Tensor& gweights, const Tensor& weights,
                     const Tensor& values, const Tensor& indices, std::int64_t experts) {
  Tensor glogits = Tensor::empty({gweights.size(0), experts}, gweights.dtype(), gweights.device());
  run(op, gweights, [&]<class T>() {
    return kernels::GateBackward<T>{.gweights = gweights.data<T>(),
                                    .indices = indices.data<std::int64_t>(),
                                    .weights = weights.defined() ? weights.data<T>() : nullptr,
                                    .values = values.defined() ? values.data<T>() : nullptr,
                                    .tokens = gweights.size(0),
                                    .experts = experts,
                                    .k = gweights.size(1),
                                    .glogits = glogits.data<T>()};
  });
  return glogits;
}

}  // namespace

Tensor topk_softmax_backward(const Tensor& gweights, const Tensor& weights, const Tensor& indices,
                             std::int64_t experts) {
  constexpr std::string_view kName = "topk_softmax_backward";
  check_same_kind(kName, {&gweights, &weights});
  check_choices(kName, gweights, indices);
  check(weights.shape() == gweights.shape(), "[{}] gradients are {}, weights {}", kName,
        gweights.shape(), weights.shape());
  check(gweights.size(1) <= experts, "[{}] k is {} of {} experts", kName, gweights.size(1),
        experts);
  const Tensor glogits = gate_backward(kName, gweights, weights, {}, indices, experts);
  return record({kName, {{"k", indices.size(1)}}}, glogits, {gweights, weights, indices},
                Saved::all_inputs(), [](const Vjp& v) -> std::vector<Tensor> {
                  const Tensor u = gather(v.cotangent(), v.input(2), Indices::kTrusted);  // [T, k]
                  const Tensor& w = v.input(1);
                  return {v.needs(0) ? softmax_backward(u, w) : Tensor(),
                          v.needs(1) ? softmax_double_backward(u, v.input(0), w) : Tensor(),
                          Tensor()};
                });
}

Tensor softmax_topk_backward(const Tensor& gweights, const Tensor& values, const Tensor& indices) {
  constexpr std::string_view kName = "softmax_topk_backward";
  check_same_kind(kName, {&gweights, &values});
  check_choices(kName, gweights, indices);
  check(values.rank() == 2 && values.size(0) == gweights.size(0) &&
            values.size(1) >= gweights.size(1),
        "[{}] gradients are {}, values {}", kName, gweights.shape(), values.shape());
  const Tensor glogits = gate_backward(kName, gweights, {}, values, indices, values.size(1));
  return record({kName, {{"k", indices.size(1)}}}, glogits, {gweights, values, indices},
                Saved::all_inputs(), [](const Vjp& v) -> std::vector<Tensor> {
                  const Tensor& u = v.cotangent();
                  const Tensor& chosen = v.input(2);
                  const Tensor p = softmax(v.input(1));
                  Tensor to_g;
                  Tensor to_values;
                  if (v.needs(0)) to_g = gather(softmax_backward(u, p), chosen, Indices::kTrusted);
                  if (v.needs(1)) {
                    const Tensor spread =
                        scatter_add(v.input(0), chosen, p.size(1), Indices::kTrusted);
                    to_values = softmax_backward(softmax_double_backward(u, spread, p), p);
                  }
                  return {to_g, to_values, Tensor()};
                });
}

}  // namespace switchyard
