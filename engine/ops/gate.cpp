#include "engine/ops/gate.h"

#include "engine/autograd/node.h"
#include "engine/core/run.h"
#include "engine/ops/lowest_row.h"
#include "engine/ops/routing.h"
#include "engine/ops/softmax.h"

namespace switchyard {
namespace {

/// The derivative of softmax over the k kept, spread back over the experts.
Rule over_kept(const Tensor& indices) {
  return [indices](const Vjp& v) -> std::vector<Tensor> {
    return {scatter_add(softmax_backward(v.cotangent(), v.output()), indices, v.input_shape(0)[1])};
  };
}

/// The derivative of a softmax over all of which k are kept.
Rule over_all(const Tensor& indices) {
  return [indices](const Vjp& v) -> std::vector<Tensor> {
    const Tensor gp = scatter_add(v.cotangent(), indices, v.input_shape(0)[1]);
    return {softmax_backward(gp, softmax(v.input(0)))};
  };
}

}  // namespace

Choice gate(const Tensor& logits, std::int64_t k, GateOrder order) {
  check_same_kind("gate", {&logits});
  check(logits.rank() == 2, "[gate] needs logits [T, E], got {}", logits.shape());
  const std::int64_t tokens = logits.size(0);
  const std::int64_t experts = logits.size(1);
  check(k >= 1 && k <= experts, "[gate] k is {}, expected 1 to {}, the number of experts", k,
        experts);
  Tensor indices = Tensor::empty({tokens, k}, DType::kInt64, logits.device());
  Tensor weights = Tensor::empty({tokens, k}, logits.dtype(), logits.device());
  LowestRow bad_row(logits.device());
  run("gate", logits, [&]<class T>() {
    return kernels::Gate<T>{.logits = logits.data<T>(),
                            .tokens = tokens,
                            .experts = experts,
                            .k = k,
                            .order = order,
                            .weights = weights.data<T>(),
                            .indices = indices.data<std::int64_t>(),
                            .bad_row = bad_row.word()};
  });
  const std::int64_t bad = bad_row.read();
  check(bad < 0, "[gate] row {} of the logits holds NaN or +inf or nothing above -inf", bad);
  if (order == GateOrder::kSoftmaxTopK) {
    return {indices, record("gate", weights, {logits}, Saved::all_inputs(), over_all(indices))};
  }
  return {indices, record("gate", weights, {logits}, Saved::output(), over_kept(indices))};
}

}  // namespace switchyard
