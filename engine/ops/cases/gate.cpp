#include "engine/ops/gate.h"

#include "engine/ops/cases.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/gate_backward.h"
#include "engine/ops/reduction.h"
#include "engine/ops/routing.h"
#include "engine/ops/shape.h"
#include "engine/ops/softmax.h"

namespace switchyard {
namespace {

using Inputs = std::span<const Tensor>;

constexpr std::int64_t kExperts = 5;
constexpr std::int64_t kChoices = 2;

/// [size, kExperts] logits without a near tie, where a finite difference would change the choice:
/// the numbers -2 to 2, each row in an order of its own, and a normal tenth.
Tensor separated_logits(std::int64_t size, CaseSource& source) {
  std::vector<double> places;
  for (std::int64_t row = 0; row < size; ++row) {
    for (std::int64_t e = 0; e < kExperts; ++e) {
      places.push_back(static_cast<double>((2 * e + row) % kExperts - kExperts / 2));
    }
  }
  const Tensor place = Tensor::from({size, kExperts}, places).to(source.device);
  return place + 0.1 * normal_input({size, kExperts}, source);
}

/// The gate's weights; the choice has no derivative.
OpCase gate_case(std::string name, GateOrder order, const TensorFunction& composed) {
  return {std::move(name), [=](std::int64_t size, CaseSource& source) -> OpSample {
            return {{separated_logits(size, source)},
                    [order](Inputs in) { return gate(in[0], kChoices, order).weights; },
                    composed};
          }};
}

/// The same weights out of the kernel that goes on to the slots, with and without a capacity; some
/// assignments are dropped, which no weight knows.
OpCase route_case(std::string name, GateOrder order, std::int64_t capacity) {
  return {std::move(name), [=](std::int64_t size, CaseSource& source) -> OpSample {
            return {{separated_logits(size, source)},
                    [=](Inputs in) {
                      return route(in[0], kChoices, order, {}, capacity).choice.weights;
                    },
                    [=](Inputs in) { return gate(in[0], kChoices, order).weights; }};
          }};
}

/// Weights and values of a gate that draws noise and drops logits, as one row per token.
OpCase drawn_case(std::string name, GateOrder order) {
  const auto draw_with = [](const Tensor& deviation) {
    return GateDraw{.deviation = deviation,
                    .noise = {.seed = 3, .offset = 40},
                    .dropout = 0.25,
                    .mask = {.seed = 4, .offset = 80},
                    .temperature = 0.8};
  };
  const auto weights_and_values = [](const Tensor& weights, const Tensor& values) {
    return concat(std::vector<Tensor>{transpose(weights), transpose(values)});
  };
  return {std::move(name), [=](std::int64_t size, CaseSource& source) -> OpSample {
            // Noise that is small beside the distances of the logits, so that the choice stays.
            return {{separated_logits(size, source),
                     0.01 * positive_input({size, kExperts}, 0.3, source)},
                    [=](Inputs in) {
                      const Choice choice = gate(in[0], kChoices, order, draw_with(in[1]));
                      return weights_and_values(choice.weights, choice.values);
                    },
                    [=](Inputs in) {
                      const Tensor values = gate_values(in[0], draw_with(in[1]));
                      return weights_and_values(gate(values, kChoices, order).weights, values);
                    }};
          }};
}

/// The way back through a gate, as a function of the logits, through what the operation reads of
/// them, and of the gradient of the weights; the choice is that of the logits.
OpCase backward_case(std::string name, GateOrder order) {
  const bool over_all = order == GateOrder::kSoftmaxTopK;
  return {std::move(name), [=](std::int64_t size, CaseSource& source) -> OpSample {
            const Tensor logits = separated_logits(size, source);
            const Tensor indices = top_k(logits, kChoices);
            const auto kept = [indices](const Tensor& x) {
              return softmax(gather(x, indices, Indices::kTrusted));
            };
            return {
                {logits, normal_input({size, kChoices}, source)},
                [=](Inputs in) {
                  return over_all ? softmax_topk_backward(in[1], in[0], indices)
                                  : topk_softmax_backward(in[1], kept(in[0]), indices, kExperts);
                },
                [=](Inputs in) {
                  if (!over_all) {
                    return scatter_add(softmax_backward(in[1], kept(in[0])), indices, kExperts);
                  }
                  return softmax_backward(scatter_add(in[1], indices, kExperts), softmax(in[0]));
                }};
          }};
}

}  // namespace

std::vector<OpCase> gate_cases() {
  const auto kept_of_softmax = [](const Tensor& x) {
    return gather(softmax(x), top_k(x, kChoices));
  };
  return {
      gate_case("gate_topk_softmax", GateOrder::kTopKSoftmax,
                [](Inputs in) { return softmax(gather(in[0], top_k(in[0], kChoices))); }),
      gate_case("gate_softmax_topk", GateOrder::kSoftmaxTopK,
                [=](Inputs in) { return kept_of_softmax(in[0]); }),
      gate_case("gate_softmax_topk_renormalized", GateOrder::kSoftmaxTopKRenormalized,
                [=](Inputs in) {
                  const Tensor kept = kept_of_softmax(in[0]);
                  return kept / sum(kept, {1}, true);
                }),
      route_case("gate_route_topk_softmax", GateOrder::kTopKSoftmax, 0),
      route_case("gate_route_softmax_topk", GateOrder::kSoftmaxTopK, 0),
      route_case("gate_route_capacity", GateOrder::kTopKSoftmax, 1),
      drawn_case("gate_drawn_topk_softmax", GateOrder::kTopKSoftmax),
      drawn_case("gate_drawn_softmax_topk", GateOrder::kSoftmaxTopK),
      backward_case("gate_backward_topk_softmax", GateOrder::kTopKSoftmax),
      backward_case("gate_backward_softmax_topk", GateOrder::kSoftmaxTopK),
  };
}

}  // namespace switchyard
