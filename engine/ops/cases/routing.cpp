#include "engine/ops/routing.h"

#include "engine/ops/cases.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/matmul.h"
#include "engine/ops/reduction.h"
#include "engine/ops/shape.h"

namespace switchyard {
namespace {

using Inputs = std::span<const Tensor>;

constexpr std::int64_t kExperts = 5;
constexpr std::int64_t kChoices = 2;
constexpr std::int64_t kWidth = 3;

/// Top-2 of five experts for `tokens` tokens; at most `capacity` of them for each expert, so that
/// some are dropped.
Routing random_routing(std::int64_t tokens, CaseSource& source) {
  const Tensor indices = top_k(normal_input({tokens, kExperts}, source), kChoices);
  return make_routing(indices, kExperts, 1 + tokens / 4);
}

/// One row per slot with a one at its assignment [S, T·k], as a constant of `dtype`.
Tensor slot_of_assignment(const Routing& routing, DType dtype) {
  const std::int64_t slots = routing.permutation.numel();
  const std::int64_t assignments = routing.tokens * routing.k;
  Tensor selection = Tensor::zeros({slots, assignments}, DType::kFloat64);
  const Tensor permutation = routing.permutation.to(Device::kCpu);
  std::int64_t slot = 0;
  for (const std::int64_t assignment : permutation.span<std::int64_t>()) {
    selection.data<double>()[slot++ * assignments + assignment] = 1.0;
  }
  return selection.to(dtype).to(routing.permutation.device());
}

/// Does the same with a one at each slot's token [S, T].
Tensor slot_of_token(const Routing& routing, DType dtype) {
  const Tensor selection = slot_of_assignment(routing, dtype);
  return sum(reshape(selection, {selection.size(0), routing.tokens, routing.k}), {2});
}

/// weights [T, k] in slot order, [S, 1].
Tensor slot_weights(const Tensor& weights, const Routing& routing) {
  return matmul(slot_of_assignment(routing, weights.dtype()),
                reshape(weights, {weights.numel(), 1}));
}

/// One-hot rows [T, k, columns] of indices [T, k].
Tensor one_hot(const Tensor& indices, std::int64_t columns, DType dtype) {
  Tensor hot = Tensor::zeros({indices.size(0), indices.size(1), columns}, DType::kFloat64);
  const Tensor host = indices.to(Device::kCpu);
  std::int64_t a = 0;
  for (const std::int64_t index : host.span<std::int64_t>()) {
    hot.data<double>()[a++ * columns + index] = 1.0;
  }
  return hot.to(dtype).to(indices.device());
}

OpCase gather_case() {
  return {"gather", [](std::int64_t size, CaseSource& source) -> OpSample {
            const Tensor indices = index_input({size, kChoices}, kExperts, source);
            return {{normal_input({size, kExperts}, source)},
                    [=](Inputs in) { return gather(in[0], indices); },
                    [=](Inputs in) {
                      const Tensor row = reshape(in[0], {in[0].size(0), 1, kExperts});
                      return sum(row * one_hot(indices, kExperts, row.dtype()), {2});
                    }};
          }};
}

OpCase scatter_add_case() {
  return {"scatter_add", [](std::int64_t size, CaseSource& source) -> OpSample {
            const Tensor indices = index_input({size, kChoices}, kExperts, source);
            return {{normal_input({size, kChoices}, source)},
                    [=](Inputs in) { return scatter_add(in[0], indices, kExperts); },
                    [=](Inputs in) {
                      const Tensor column = reshape(in[0], {in[0].size(0), kChoices, 1});
                      return sum(column * one_hot(indices, kExperts, column.dtype()), {1});
                    }};
          }};
}

OpCase dispatch_case() {
  return {"dispatch", [](std::int64_t size, CaseSource& source) -> OpSample {
            const Routing r = random_routing(size, source);
            return {{normal_input({size, kWidth}, source)},
                    [=](Inputs in) { return dispatch(in[0], r); },
                    [=](Inputs in) { return matmul(slot_of_token(r, in[0].dtype()), in[0]); }};
          }};
}

OpCase weighted_dispatch_case() {
  return {"dispatch_weighted", [](std::int64_t size, CaseSource& source) -> OpSample {
            const Routing r = random_routing(size, source);
            return {{normal_input({size, kWidth}, source), normal_input({size, kChoices}, source)},
                    [=](Inputs in) { return dispatch(in[0], r, in[1]); },
                    [=](Inputs in) {
                      return matmul(slot_of_token(r, in[0].dtype()), in[0]) *
                             slot_weights(in[1], r);
                    }};
          }};
}

OpCase combine_case() {
  return {"combine", [](std::int64_t size, CaseSource& source) -> OpSample {
            const Routing r = random_routing(size, source);
            return {{normal_input({r.permutation.numel(), kWidth}, source),
                     normal_input({size, kChoices}, source)},
                    [=](Inputs in) { return combine(in[0], in[1], r); },
                    [=](Inputs in) {
                      return matmul(slot_of_token(r, in[0].dtype()), in[0] * slot_weights(in[1], r),
                                    true);
                    }};
          }};
}

OpCase unweighted_combine_case() {
  return {"combine_unweighted", [](std::int64_t size, CaseSource& source) -> OpSample {
            const Routing r = random_routing(size, source);
            return {
                {normal_input({r.permutation.numel(), kWidth}, source)},
                [=](Inputs in) { return combine(in[0], {}, r); },
                [=](Inputs in) { return matmul(slot_of_token(r, in[0].dtype()), in[0], true); }};
          }};
}

OpCase combine_weight_grad_case() {
  return {"combine_weight_grad", [](std::int64_t size, CaseSource& source) -> OpSample {
            const Routing r = random_routing(size, source);
            return {
                {normal_input({r.permutation.numel(), kWidth}, source),
                 normal_input({size, kWidth}, source)},
                [=](Inputs in) { return combine_weight_grad(in[0], in[1], r); },
                [=](Inputs in) {
                  const DType dtype = in[0].dtype();
                  const Tensor dots =
                      sum(in[0] * matmul(slot_of_token(r, dtype), in[1]), {1}, true);
                  return reshape(matmul(slot_of_assignment(r, dtype), dots, true), {r.tokens, r.k});
                }};
          }};
}

}  // namespace

std::vector<OpCase> routing_cases() {
  return {gather_case(),
          scatter_add_case(),
          dispatch_case(),
          weighted_dispatch_case(),
          combine_case(),
          unweighted_combine_case(),
          combine_weight_grad_case()};
}

}  // namespace switchyard
