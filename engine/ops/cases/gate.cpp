#include "engine/ops/gate.h"

#include "engine/ops/cases.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduction.h"
#include "engine/ops/routing.h"
#include "engine/ops/softmax.h"

namespace switchyard {
namespace {

using Inputs = std::span<const Tensor>;

constexpr std::int64_t kExperts = 5;
constexpr std::int64_t kChoices = 2;

/// The gate's weights; the choice has no derivative.
OpCase gate_case(std::string name, GateOrder order, const TensorFunction& composed) {
  return {std::move(name), [=](std::int64_t size, CaseSource& source) -> OpSample {
            return {{normal_input({size, kExperts}, source)},
                    [order](Inputs in) { return gate(in[0], kChoices, order).weights; },
                    composed};
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
  };
}

}  // namespace switchyard
