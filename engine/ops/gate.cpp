#include "engine/ops/gate.h"

#include "engine/autograd/node.h"
#include "engine/ops/executor.h"
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

/// The rung called `variant`, or the entry point.
template <class Exec, class T>
kernels::GateFunction<Exec, T>* find_gate(std::string_view variant) {
  if (variant.empty()) return kernels::gate<Exec, T>;
  std::string known;
  if constexpr (!std::is_same_v<Exec, kernels::Cpu>) {
    for (const auto& rung : kernels::gate_ladder<Exec, T>()) {
      if (rung.name == variant) return rung.run;
      known += (known.empty() ? "" : ", ") + std::string(rung.name);
    }
  }
  throw UsageError(fmt::format("[gate] the device has no variant \"{}\", but {}", variant,
                               known.empty() ? "one without a name" : known));
}

}  // namespace

Choice gate(const Tensor& logits, std::int64_t k, GateOrder order, std::string_view variant) {
  check_same_kind("gate", {&logits});
  check(logits.rank() == 2, "[gate] needs logits [T, E], got {}", logits.shape());
  const kernels::GateShape shape = {logits.size(0), logits.size(1), k};
  check(k >= 1 && k <= shape.experts, "[gate] k is {}, expected 1 to {}, the number of experts", k,
        shape.experts);
  Tensor indices = Tensor::empty({shape.tokens, k}, DType::kInt64, logits.device());
  Tensor weights = Tensor::empty({shape.tokens, k}, logits.dtype(), logits.device());
  const std::int64_t bad = launch("gate", logits, [&]<class T, class Exec>(Exec& executor) {
    return find_gate<Exec, T>(variant)(executor, shape, {.order = order}, logits.data<T>(), nullptr,
                                       weights.data<T>(), indices.data<std::int64_t>());
  });
  check(bad < 0, "[gate] row {} of the logits holds NaN or +inf or nothing above -inf", bad);
  if (order == GateOrder::kSoftmaxTopK) {
    return {indices, record("gate", weights, {logits}, Saved::all_inputs(), over_all(indices))};
  }
  return {indices, record("gate", weights, {logits}, Saved::output(), over_kept(indices))};
}

}  // namespace switchyard
