#include "engine/ops/gate.h"

#include "engine/autograd/node.h"
#include "engine/autograd/observer.h"
#include "engine/core/fault.h"
#include "engine/core/run.h"
#include "engine/ops/dropout.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/gate_backward.h"
#include "engine/ops/routing.h"
#include "kernels/api/route.h"

namespace switchyard {
namespace {

/// The gradient of the values from that of the weights, for the softmax over the k kept or over
/// all.
Tensor by_values(GateOrder order, const Tensor& indices, const Tensor& gweights,
                 const Tensor& weights, const Tensor& values, std::int64_t experts) {
  return order == GateOrder::kSoftmaxTopK
             ? softmax_topk_backward(gweights, values, indices)
             : topk_softmax_backward(gweights, weights, indices, experts);
}

const char* order_name(GateOrder order) {
  if (order == GateOrder::kTopKSoftmax) return "topk_softmax";
  return order == GateOrder::kSoftmaxTopK ? "softmax_topk" : "softmax_topk_renormalized";
}

/// The weights as a function of the values, which are the logits themselves.
Tensor record_weights(const Tensor& logits, const Tensor& indices, const Tensor& weights,
                      GateOrder order) {
  const bool over_all = order == GateOrder::kSoftmaxTopK;
  return record({"gate", {{"order", order_name(order)}, {"k", indices.size(1)}}}, weights,
                {logits, indices}, over_all ? Saved::all_inputs() : Saved::inputs({1}).and_output(),
                [order, over_all](const Vjp& v) -> std::vector<Tensor> {
                  return {
                      by_values(order, v.input(1), v.cotangent(), over_all ? Tensor() : v.output(),
                                over_all ? v.input(0) : Tensor(), v.input_shape(0)[1]),
                      Tensor()};
                });
}

/// Weights and values as functions of the logits and, where there is noise, the deviation. The
/// values are linear in both, with the normal numbers and the mask that `draw` gives again.
std::vector<Tensor> record_drawn(const Tensor& logits, const Choice& choice, GateOrder order,
                                 GateDraw draw) {
  std::vector<Tensor> inputs = {logits, choice.indices};
  const bool noisy = draw.deviation.defined();
  if (noisy) inputs.push_back(draw.deviation);
  draw.deviation = {};  // a rule must not hold on to its inputs
  const bool over_all = order == GateOrder::kSoftmaxTopK;
  return record(
      {"gate", {{"order", order_name(order)}, {"k", choice.indices.size(1)}, {"noisy", noisy}}},
      {choice.weights, choice.values}, inputs, Saved::inputs({1}).and_output(),
      [order, over_all, noisy, draw](const Vjp& v) {
        Tensor g = v.cotangent(1);
        if (v.cotangent(0).defined()) {
          const Tensor from_weights =
              by_values(order, v.input(1), v.cotangent(0), over_all ? Tensor() : v.output(0),
                        over_all ? v.output(1) : Tensor(), v.input_shape(0)[1]);
          g = g.defined() ? g + from_weights : from_weights;
        }
        if (draw.temperature != 1.0) g = g / draw.temperature;
        if (draw.dropout > 0.0) g = dropout(g, draw.dropout, draw.mask);
        std::vector<Tensor> gradients = {g, Tensor()};
        if (noisy) {
          gradients.push_back(v.needs(2)
                                  ? g * random_normal(g.shape(), g.dtype(), draw.noise, g.device())
                                  : Tensor());
        }
        return gradients;
      });
}

kernels::RandomStretch stretch_at(RandomPosition position) {
  return {.seed = position.seed, .offset = position.offset};
}

void check_gate(std::string_view op, const Tensor& logits, std::int64_t k, const GateDraw& draw) {
  check_same_kind(op, {&logits, draw.deviation.defined() ? &draw.deviation : &logits});
  check(logits.rank() == 2, "[{}] needs logits [T, E], got {}", op, logits.shape());
  check(k >= 1 && k <= logits.size(1), "[{}] k is {}, expected 1 to {}, the number of experts", op,
        k, logits.size(1));
  check(!draw.deviation.defined() || draw.deviation.shape() == logits.shape(),
        "[{}] the deviation is {}, the logits are {}", op, draw.deviation.shape(), logits.shape());
}

/// A choice whose elements a kernel will write.
Choice unwritten(const Tensor& logits, std::int64_t k, const GateDraw& draw) {
  const std::int64_t tokens = logits.size(0);
  return {.indices = Tensor::empty({tokens, k}, DType::kInt64, logits.device()),
          .weights = Tensor::empty({tokens, k}, logits.dtype(), logits.device()),
          .values = draw.leaves_all() ? logits : empty_like(logits)};
}

kernels::FaultReport bad_row_report(std::string_view op, Device device) {
  return fault_report(device, op, "row {0} of the logits holds NaN or +inf or nothing above -inf");
}

/// The kernel that writes `choice`.
template <class T>
kernels::Gate<T> gate_call(const Tensor& logits, GateOrder order, const GateDraw& draw,
                           Choice& choice, const kernels::FaultReport& bad_row) {
  return {.logits = logits.data<T>(),
          .deviation = draw.deviation.defined() ? draw.deviation.data<T>() : nullptr,
          .tokens = logits.size(0),
          .experts = logits.size(1),
          .k = choice.indices.size(1),
          .order = order,
          .temperature = draw.temperature,
          .noise = stretch_at(draw.noise),
          .dropout = draw.dropout,
          .mask = stretch_at(draw.mask),
          .weights = choice.weights.data<T>(),
          .indices = choice.indices.data<std::int64_t>(),
          .values = draw.leaves_all() ? nullptr : choice.values.data<T>(),
          .bad_row = bad_row};
}

/// Makes the weights and values of a written choice functions of the logits and the deviation.
void record_choice(const Tensor& logits, GateOrder order, const GateDraw& draw, Choice& choice) {
  observe_selection({"top_k", {{"k", choice.indices.size(1)}}}, logits, choice.indices);
  if (draw.leaves_all()) {
    choice.weights = record_weights(logits, choice.indices, choice.weights, order);
    return;
  }
  const std::vector<Tensor> outputs = record_drawn(logits, choice, order, draw);
  choice.weights = outputs[0];
  choice.values = outputs[1];
}

}  // namespace

Choice gate(const Tensor& logits, std::int64_t k, GateOrder order, const GateDraw& draw) {
  check_gate("gate", logits, k, draw);
  Choice choice = unwritten(logits, k, draw);
  const kernels::FaultReport bad_row = bad_row_report("gate", logits.device());
  run("gate", logits,
      [&]<class T>() { return gate_call<T>(logits, order, draw, choice, bad_row); });
  raise_fault(logits.device());
  record_choice(logits, order, draw, choice);
  return choice;
}

RoutedChoice route(const Tensor& logits, std::int64_t k, GateOrder order, const GateDraw& draw,
                   std::int64_t capacity) {
  if (capacity != 0) {
    RoutedChoice routed = {.choice = gate(logits, k, order, draw), .routing = {}};
    routed.routing =
        make_routing(routed.choice.indices, logits.size(1), capacity, Indices::kTrusted);
    return routed;
  }
  check_gate("route", logits, k, draw);
  const std::int64_t tokens = logits.size(0);
  const Device device = logits.device();
  Choice choice = unwritten(logits, k, draw);
  Routing routing{.tokens = tokens,
                  .experts = logits.size(1),
                  .k = k,
                  .indices = choice.indices,
                  .offsets = Tensor::empty({logits.size(1) + 1}, DType::kInt64, device),
                  .permutation = Tensor::empty({tokens * k}, DType::kInt64, device),
                  .inverse = Tensor::empty({tokens, k}, DType::kInt64, device)};
  const kernels::FaultReport bad_row = bad_row_report("route", device);
  run("route", logits, [&]<class T>() {
    return kernels::Route<T>{.gate = gate_call<T>(logits, order, draw, choice, bad_row),
                             .offsets = routing.offsets.data<std::int64_t>(),
                             .permutation = routing.permutation.data<std::int64_t>(),
                             .inverse = routing.inverse.data<std::int64_t>()};
  });
  raise_fault(device);
  record_choice(logits, order, draw, choice);
  return {.choice = std::move(choice), .routing = sealed(std::move(routing))};
}

Tensor gate_values(const Tensor& logits, const GateDraw& draw) {
  Tensor values = logits;
  if (draw.deviation.defined()) {
    values = values + draw.deviation * random_normal(logits.shape(), logits.dtype(), draw.noise,
                                                     logits.device());
  }
  if (draw.dropout > 0.0) values = dropout(values, draw.dropout, draw.mask);
  return draw.temperature == 1.0 ? values : values / draw.temperature;
}

}  // namespace switchyard
