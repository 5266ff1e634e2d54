#include "analysis/graph/operations.h"

#include <fmt/ranges.h>

#include "engine/core/check.h"
#include "engine/core/suggest.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/matmul.h"
#include "engine/ops/norm.h"
#include "engine/ops/pooling.h"
#include "engine/ops/reduction.h"
#include "engine/ops/routing.h"
#include "engine/ops/shape.h"
#include "engine/ops/softmax.h"

namespace switchyard::graph {
namespace {

using Inputs = std::span<const Tensor>;
using Compute = std::function<Tensor(Inputs)>;

NamedOperation unary(const char* name, Tensor (*op)(const Tensor&)) {
  return {name, 1, [op](JsonObject&) -> Compute { return [op](Inputs in) { return op(in[0]); }; }};
}

NamedOperation binary(const char* name, Tensor (*op)(const Tensor&, const Tensor&)) {
  return {name, 2,
          [op](JsonObject&) -> Compute { return [op](Inputs in) { return op(in[0], in[1]); }; }};
}

Compute make_affine(JsonObject& attributes) {
  const auto scale = attributes.optional<double>("scale", 1.0);
  const auto shift = attributes.optional<double>("shift", 0.0);
  return [=](Inputs in) { return affine(in[0], scale, shift); };
}

Compute make_clamp(JsonObject& attributes) {
  const auto low = attributes.required<double>("low");
  const auto high = attributes.required<double>("high");
  return [=](Inputs in) { return clamp(in[0], low, high); };
}

Compute make_matmul(JsonObject& attributes) {
  const auto a = attributes.optional<bool>("transpose_a", false);
  const auto b = attributes.optional<bool>("transpose_b", false);
  return [=](Inputs in) { return matmul(in[0], in[1], a, b); };
}

Compute make_conv2d(JsonObject& attributes) {
  const auto stride = attributes.bounded_or<int>("stride", 1, 1, 1000);
  const auto padding = attributes.bounded_or<int>("padding", 0, 0, 1000);
  return [=](Inputs in) { return conv2d(in[0], in[1], {.stride = stride, .padding = padding}); };
}

Compute make_batch_norm(JsonObject& attributes) {
  const auto epsilon = attributes.optional<double>("epsilon", 1e-5);
  return [=](Inputs in) { return batch_norm(in[0], in[1], in[2], epsilon).y; };
}

/// The k largest of each row, best first.
Compute make_largest(JsonObject& attributes) {
  const auto k = attributes.bounded<std::int64_t>("k", 1, 1'000'000);
  return [=](Inputs in) { return gather(in[0], top_k(in[0], k)); };
}

std::vector<NamedOperation> make_all() {
  return {
      binary("add", add),
      binary("sub", sub),
      binary("mul", mul),
      binary("div", static_cast<Tensor (*)(const Tensor&, const Tensor&)>(div)),
      binary("dot", dot),
      binary("cross_entropy", cross_entropy),
      binary("relu_grad", relu_grad),
      unary("neg", neg),
      unary("exp", exp),
      unary("log", log),
      unary("sqrt", sqrt),
      unary("square", square),
      unary("reciprocal", reciprocal),
      unary("tanh", tanh),
      unary("erf", erf),
      unary("sigmoid", sigmoid),
      unary("softplus", softplus),
      unary("relu", relu),
      unary("gelu", gelu),
      unary("silu", silu),
      unary("softmax", softmax),
      unary("log_softmax", log_softmax),
      unary("transpose", transpose),
      unary("global_average_pool", global_average_pool),
      unary("sum", static_cast<Tensor (*)(const Tensor&)>(sum)),
      unary("mean", static_cast<Tensor (*)(const Tensor&)>(mean)),
      {"affine", 1, make_affine},
      {"clamp", 1, make_clamp},
      {"matmul", 2, make_matmul},
      {"conv2d", 2, make_conv2d},
      {"batch_norm", 3, make_batch_norm},
      {"largest", 1, make_largest},
  };
}

}  // namespace

const std::vector<NamedOperation>& named_operations() {
  static const std::vector<NamedOperation> all = make_all();
  return all;
}

const NamedOperation& find_operation(const std::string& name, const std::string& where) {
  std::vector<std::string> known;
  for (const NamedOperation& operation : named_operations()) {
    if (operation.name == name) return operation;
    known.push_back(operation.name);
  }
  throw UsageError(fmt::format("{}: no operation '{}' (there are: {}){}", where, printable(name),
                               fmt::join(known, ", "), did_you_mean(name, known)));
}

}  // namespace switchyard::graph
