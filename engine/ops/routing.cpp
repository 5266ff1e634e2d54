#include "engine/ops/routing.h"

#include "engine/autograd/node.h"
#include "engine/autograd/observer.h"
#include "engine/core/fault.h"
#include "engine/core/run.h"
#include "engine/ops/precision.h"
#include "kernels/api/routing.h"

namespace switchyard {
namespace {

/// Reads one element of an int64 tensor on any device.
std::int64_t element(const Tensor& x, std::int64_t i) {
  std::int64_t value = 0;
  copy_memory(Device::kCpu, &value, x.device(), x.data<std::int64_t>() + i, sizeof(value));
  return value;
}

/// Checks indices [T, k] int64 with entries in [0, bound); those that top_k, gate or make_routing
/// have made need no look at their elements.
void check_indices(std::string_view op, const Tensor& indices, std::int64_t bound, Indices origin) {
  check(indices.defined() && indices.dtype() == DType::kInt64 && indices.rank() == 2,
        "[{}] indices must be [T, k] int64", op);
  if (origin == Indices::kTrusted) return;
  const std::int64_t bad =
      first_out_of_range(op, indices, bound, "index number {0} is outside [0, {1})");
  if (bad < 0) return;  // the message's arguments exist only where there is a bad index
  throw Error(fmt::format("[{}] row {} has index {}, expected 0 to {}", op, bad / indices.size(1),
                          element(indices, bad), bound - 1));
}

std::uint64_t version_of(const Routing& routing) {
  return routing.indices.version() + routing.offsets.version() + routing.permutation.version() +
         routing.inverse.version();
}

kernels::RouteShape route_shape(std::string_view op, const Routing& routing, std::int64_t width) {
  check_intact(op, routing);
  return {routing.tokens, routing.k, routing.permutation.numel(), width};
}

void check_rows(std::string_view op, const Tensor& x, std::int64_t rows, std::string_view unit) {
  check(x.rank() == 2 && x.size(0) == rows, "[{}] needs a matrix of {} {}, got {}", op, rows, unit,
        x.shape());
}

void check_weights(std::string_view op, const Tensor& weights, const Routing& routing) {
  check(weights.shape() == Shape{routing.tokens, routing.k},
        "[{}] weights are {}, the routing has {} tokens and k = {}", op, weights.shape(),
        routing.tokens, routing.k);
}

/// Weights, if there are any, have the rows' dtype; for rows in bfloat16 they may be float32, as a
/// gate gives them.
void check_kinds(std::string_view op, const Tensor& x, const Tensor& weights) {
  if (is_bfloat16(x) && weights.defined() && weights.dtype() == DType::kFloat32) {
    check_same_device(op, {&x, &weights});
  } else {
    check_same_kind(op, {&x, weights.defined() ? &weights : &x});
  }
}

/// Elements of optional weights; null stands for ones.
template <class T>
const T* data_or_null(const Tensor& weights) {
  return weights.defined() ? weights.data<T>() : nullptr;
}

}  // namespace

Routing sealed(Routing routing) {
  routing.version = version_of(routing);
  return routing;
}

/// A routing is validated where it is made and trusted afterwards, so nobody may write into it.
void check_intact(std::string_view op, const Routing& routing) {
  check(version_of(routing) == routing.version,
        "[{}] its routing of {} tokens to {} experts was overwritten in place", op, routing.tokens,
        routing.experts);
}

std::int64_t first_out_of_range(std::string_view op, const Tensor& indices, std::int64_t bound,
                                std::string_view text) {
  const Device device = indices.device();
  kernels::LowestNumber position = kernels::kNoFault;
  run(op, device,
      kernels::FirstOutOfRange{.indices = indices.data<std::int64_t>(),
                               .count = indices.numel(),
                               .bound = bound,
                               .position = device == Device::kCpu
                                               ? kernels::FaultReport(&position)
                                               : fault_report(device, op, text, bound)});
  return static_cast<std::int64_t>(position);  // all bits are -1
}

Tensor top_k(const Tensor& logits, std::int64_t k) {
  check_same_kind("top_k", {&logits});
  check(logits.rank() == 2, "[top_k] needs logits [T, E], got {}", logits.shape());
  const std::int64_t tokens = logits.size(0);
  const std::int64_t experts = logits.size(1);
  if (is_bfloat16(logits)) return top_k(logits.to(DType::kFloat32), k);
  check(k >= 1 && k <= experts, "[top_k] k is {}, expected 1 to {}, the number of columns", k,
        experts);
  Tensor indices = Tensor::empty({tokens, k}, DType::kInt64, logits.device());
  const kernels::FaultReport bad_row = fault_report(
      logits.device(), "top_k", "row {0} of the logits holds NaN or nothing above -inf");
  run("top_k", logits, [&]<class T>() {
    return kernels::TopK<T>{.logits = logits.data<T>(),
                            .tokens = tokens,
                            .experts = experts,
                            .k = k,
                            .indices = indices.data<std::int64_t>(),
                            .bad_row = bad_row};
  });
  raise_fault(logits.device());
  observe_selection({"top_k", {{"k", k}}}, logits, indices);
  return indices;
}

Tensor gather(const Tensor& x, const Tensor& indices, Indices origin) {
  check_same_kind("gather", {&x});
  check(x.rank() == 2 && indices.rank() == 2 && x.size(0) == indices.size(0),
        "[gather] needs x [T, E] and indices [T, k], got {} and {}", x.shape(), indices.shape());
  check_same_device("gather", {&x, &indices});
  check_indices("gather", indices, x.size(1), origin);
  Tensor y = Tensor::empty(indices.shape(), x.dtype(), x.device());
  run_with_bfloat16("gather", x, [&]<class T>() {
    return kernels::Gather<T>{.x = x.data<T>(),
                              .indices = indices.data<std::int64_t>(),
                              .tokens = x.size(0),
                              .columns = x.size(1),
                              .k = indices.size(1),
                              .y = y.data<T>()};
  });
  return record(
      "gather", y, {x, indices}, Saved::inputs({1}), [](const Vjp& v) -> std::vector<Tensor> {
        return {scatter_add(v.cotangent(), v.input(1), v.input_shape(0)[1], Indices::kTrusted),
                Tensor()};
      });
}

Tensor scatter_add(const Tensor& x, const Tensor& indices, std::int64_t columns, Indices origin) {
  check_same_kind("scatter_add", {&x});
  check(x.rank() == 2 && x.shape() == indices.shape(),
        "[scatter_add] needs x and indices of one shape [T, k], got {} and {}", x.shape(),
        indices.shape());
  check_same_device("scatter_add", {&x, &indices});
  check_indices("scatter_add", indices, columns, origin);
  Tensor y = Tensor::empty({x.size(0), columns}, x.dtype(), x.device());
  run_with_bfloat16("scatter_add", x, [&]<class T>() {
    return kernels::ScatterAdd<T>{.x = x.data<T>(),
                                  .indices = indices.data<std::int64_t>(),
                                  .tokens = x.size(0),
                                  .columns = columns,
                                  .k = x.size(1),
                                  .y = y.data<T>()};
  });
  return record("scatter_add", y, {x, indices}, Saved::inputs({1}),
                [](const Vjp& v) -> std::vector<Tensor> {
                  return {gather(v.cotangent(), v.input(1), Indices::kTrusted), Tensor()};
                });
}

Routing make_routing(const Tensor& indices, std::int64_t experts, std::int64_t capacity,
                     Indices origin) {
  check(experts >= 1, "[make_routing] needs at least one expert, got {}", experts);
  check(capacity >= 0, "[make_routing] capacity is {}, expected 0 (dropless) or more", capacity);
  check_indices("make_routing", indices, experts, origin);
  check(indices.size(1) >= 1, "[make_routing] needs at least one choice per token, got {}",
        indices.shape());
  const std::int64_t assignments = indices.numel();
  Routing routing;
  routing.tokens = indices.size(0);
  routing.experts = experts;
  routing.k = indices.size(1);
  routing.indices = indices;
  routing.offsets = Tensor::empty({experts + 1}, DType::kInt64, indices.device());
  routing.inverse = Tensor::empty(indices.shape(), DType::kInt64, indices.device());
  auto* const offsets = routing.offsets.data<std::int64_t>();
  const auto* const chosen = indices.data<std::int64_t>();
  run("make_routing", indices.device(),
      kernels::SegmentOffsets{.indices = chosen,
                              .assignments = assignments,
                              .experts = experts,
                              .capacity = capacity,
                              .offsets = offsets});
  // Without a capacity nothing is dropped, and nobody has to wait for the device to say so.
  const std::int64_t slots = capacity == 0 ? assignments : element(routing.offsets, experts);
  routing.dropped = assignments - slots;
  routing.permutation = Tensor::empty({slots}, DType::kInt64, indices.device());
  run("make_routing", indices.device(),
      kernels::SortAssignments{.indices = chosen,
                               .assignments = assignments,
                               .experts = experts,
                               .offsets = offsets,
                               .permutation = routing.permutation.data<std::int64_t>(),
                               .inverse = routing.inverse.data<std::int64_t>()});
  return sealed(std::move(routing));
}

Tensor dispatch(const Tensor& x, const Routing& routing, const Tensor& weights) {
  check_kinds("dispatch", x, weights);
  check_same_device("dispatch", {&x, &routing.permutation});
  check_rows("dispatch", x, routing.tokens, "tokens");
  if (weights.defined()) check_weights("dispatch", weights, routing);
  if (is_bfloat16(weights)) return dispatch(x, routing, widened(weights));
  const kernels::RouteShape shape = route_shape("dispatch", routing, x.size(1));
  Tensor y = Tensor::empty({shape.slots, shape.width}, x.dtype(), x.device());
  run_with_bfloat16("dispatch", x, [&]<class T>() {
    return kernels::Dispatch<T>{.shape = shape,
                                .permutation = routing.permutation.data<std::int64_t>(),
                                .x = x.data<T>(),
                                .weights = data_or_null<kernels::ResultOf<T>>(weights),
                                .y = y.data<T>()};
  });
  if (!weights.defined()) {
    return record({"dispatch", {{"experts", routing.experts}, {"k", routing.k}}}, y, {x},
                  Saved::nothing(), [routing](const Vjp& v) -> std::vector<Tensor> {
                    return {combine(v.cotangent(), {}, routing)};
                  });
  }
  return record({"dispatch", {{"experts", routing.experts}, {"k", routing.k}}}, y, {x, weights},
                Saved::partners(x, weights), [routing](const Vjp& v) -> std::vector<Tensor> {
                  const Tensor& gy = v.cotangent();
                  Tensor gx;
                  Tensor gweights;
                  if (v.needs(0)) gx = combine(gy, v.input(1), routing);
                  if (v.needs(1)) {
                    gweights = combine_weight_grad(gy, v.input(0), routing, ProductDType::kSums);
                  }
                  return {gx, gweights};
                });
}

Tensor combine(const Tensor& x, const Tensor& weights, const Routing& routing) {
  check_kinds("combine", x, weights);
  check_same_device("combine", {&x, &routing.inverse});
  check_rows("combine", x, routing.permutation.numel(), "slots");
  if (weights.defined()) check_weights("combine", weights, routing);
  if (is_bfloat16(weights)) return combine(x, widened(weights), routing);
  const kernels::RouteShape shape = route_shape("combine", routing, x.size(1));
  Tensor y = Tensor::empty({shape.tokens, shape.width}, x.dtype(), x.device());
  run_with_bfloat16("combine", x, [&]<class T>() {
    return kernels::Combine<T>{.shape = shape,
                               .inverse = routing.inverse.data<std::int64_t>(),
                               .x = x.data<T>(),
                               .weights = data_or_null<kernels::ResultOf<T>>(weights),
                               .y = y.data<T>()};
  });
  if (!weights.defined()) {
    return record({"combine", {{"experts", routing.experts}, {"k", routing.k}}}, y, {x},
                  Saved::nothing(), [routing](const Vjp& v) -> std::vector<Tensor> {
                    return {dispatch(v.cotangent(), routing)};
                  });
  }
  return record({"combine", {{"experts", routing.experts}, {"k", routing.k}}}, y, {x, weights},
                Saved::partners(x, weights), [routing](const Vjp& v) -> std::vector<Tensor> {
                  const Tensor& gy = v.cotangent();
                  Tensor gx;
                  Tensor gweights;
                  if (v.needs(0)) gx = dispatch(gy, routing, v.input(1));
                  if (v.needs(1)) {
                    gweights = combine_weight_grad(v.input(0), gy, routing, ProductDType::kSums);
                  }
                  return {gx, gweights};
                });
}

Tensor combine_weight_grad(const Tensor& x, const Tensor& gy, const Routing& routing,
                           ProductDType result) {
  check_same_kind("combine_weight_grad", {&x, &gy});
  check_same_device("combine_weight_grad", {&x, &routing.inverse});
  check_rows("combine_weight_grad", x, routing.permutation.numel(), "slots");
  check_rows("combine_weight_grad", gy, routing.tokens, "tokens");
  check(x.size(1) == gy.size(1), "[combine_weight_grad] widths differ: {} and {}", x.shape(),
        gy.shape());
  const kernels::RouteShape shape = route_shape("combine_weight_grad", routing, x.size(1));
  Tensor gweights = Tensor::empty({shape.tokens, shape.k}, sum_dtype(x.dtype()), x.device());
  run_with_bfloat16("combine_weight_grad", x, [&]<class T>() {
    return kernels::CombineWeightGrad<T>{.shape = shape,
                                         .inverse = routing.inverse.data<std::int64_t>(),
                                         .x = x.data<T>(),
                                         .gy = gy.data<T>(),
                                         .gweights = gweights.data<kernels::ResultOf<T>>()};
  });
  if (result == ProductDType::kOperands) gweights = gweights.to(x.dtype());
  return record({"combine_weight_grad", {{"experts", routing.experts}, {"k", routing.k}}}, gweights,
                {x, gy}, Saved::partners(x, gy), [routing](const Vjp& v) -> std::vector<Tensor> {
                  const Tensor& c = v.cotangent();  // [T, k], stands for the weights
                  Tensor gx;
                  Tensor ggy;
                  if (v.needs(0)) gx = dispatch(v.input(1), routing, c);
                  if (v.needs(1)) ggy = combine(v.input(0), c, routing);
                  return {gx, ggy};
                });
}

}  // namespace switchyard
