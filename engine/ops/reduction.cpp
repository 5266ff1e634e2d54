#include "engine/ops/reduction.h"

#include <array>

#include "engine/autograd/node.h"
#include "engine/core/run.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/precision.h"
#include "engine/ops/shape.h"
#include "kernels/api/elementwise.h"
#include "kernels/api/reduction.h"

namespace switchyard {
namespace {

using Gradients = std::vector<Tensor>;
using Sizes = std::array<std::int64_t, Shape::kMaxRank>;

Shape shape_of(const Sizes& sizes, int rank) {
  return Shape(std::span<const std::int64_t>(sizes.data(), static_cast<std::size_t>(rank)));
}

std::int64_t product(const Shape& shape, int begin, int end) {
  std::int64_t count = 1;
  for (int axis = begin; axis < end; ++axis) count *= shape[axis];
  return count;
}

/// Returns whether sum_to(x, shape) sums x's axis.
bool is_summed(const Shape& x, const Shape& shape, int axis) {
  const int aligned = axis - (x.rank() - shape.rank());
  return x[axis] != 1 && (aligned < 0 || shape[aligned] == 1);
}

Tensor sum_middle(const Tensor& x, Shape result, int begin, int end) {
  Tensor y = Tensor::empty(result, x.dtype(), x.device());
  run_with_bfloat16("sum_to", x, [&]<class T>() {
    return kernels::SumMiddle<T>{.x = x.data<T>(),
                                 .y = y.data<T>(),
                                 .outer = product(x.shape(), 0, begin),
                                 .reduce = product(x.shape(), begin, end),
                                 .inner = product(x.shape(), end, x.rank())};
  });
  return y;
}

/// The end of the run of neighbouring axes from `begin` on that are summed together.
int end_of_run(const Shape& x, const Shape& shape, int begin) {
  int end = begin;
  while (end < x.rank() && (is_summed(x, shape, end) || x[end] == 1)) ++end;
  return end;
}

/// Sums that sum_runs(x, shape) makes.
int count_runs(const Shape& x, const Shape& shape) {
  int runs = 0;
  for (int begin = 0; begin < x.rank(); ++begin) {
    if (!is_summed(x, shape, begin)) continue;
    begin = end_of_run(x, shape, begin);
    ++runs;
  }
  return runs;
}

/// Sums one run of neighbouring axes after the other, the outermost first: later runs then read a
/// smaller tensor.
Tensor sum_runs(Tensor x, const Shape& shape) {
  for (int begin = 0; begin < x.rank(); ++begin) {
    if (!is_summed(x.shape(), shape, begin)) continue;
    const int end = end_of_run(x.shape(), shape, begin);
    Sizes sizes{};
    std::copy(x.shape().begin(), x.shape().end(), sizes.begin());
    std::fill(sizes.begin() + begin, sizes.begin() + end, 1);
    x = sum_middle(x, shape_of(sizes, x.rank()), begin, end);
  }
  return x.view(shape);
}

/// x's shape with size 1 at `axes`; Error on an axis out of range or given twice.
Shape keep_axes(std::string_view op, const Tensor& x, const std::vector<int>& axes) {
  check(x.defined(), "[{}] an input is undefined", op);
  Sizes sizes{};
  std::array<bool, Shape::kMaxRank> seen{};
  std::copy(x.shape().begin(), x.shape().end(), sizes.begin());
  for (int axis : axes) {
    const int index = axis < 0 ? axis + x.rank() : axis;
    check(index >= 0 && index < x.rank(), "[{}] axis {} is out of range for shape {}", op, axis,
          x.shape());
    check(!seen[static_cast<std::size_t>(index)], "[{}] axis {} of shape {} is given twice", op,
          axis, x.shape());
    seen[static_cast<std::size_t>(index)] = true;
    sizes[static_cast<std::size_t>(index)] = 1;
  }
  return shape_of(sizes, x.rank());
}

/// x's shape without `axes`, which keep_axes() has checked.
Shape drop_axes(const Tensor& x, const std::vector<int>& axes) {
  Sizes sizes{};
  std::array<bool, Shape::kMaxRank> dropped{};
  for (int axis : axes) dropped[static_cast<std::size_t>(axis < 0 ? axis + x.rank() : axis)] = true;
  int rank = 0;
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (!dropped[static_cast<std::size_t>(axis)])
      sizes[static_cast<std::size_t>(rank++)] = x.size(axis);
  }
  return shape_of(sizes, rank);
}

Tensor sum_axes(std::string_view op, const Tensor& x, const std::vector<int>& axes, bool keep) {
  const Tensor kept = sum_to(x, keep_axes(op, x, axes));
  return keep ? kept : reshape(kept, drop_axes(x, axes));
}

}  // namespace

Tensor sum_to(const Tensor& x, const Shape& shape) {
  check_same_kind("sum_to", {&x});
  check(broadcast_shapes(x.shape(), shape, "sum_to") == x.shape(),
        "[sum_to] shape {} does not broadcast to {}", shape, x.shape());
  if (x.shape() == shape) return x;
  if (is_bfloat16(x) && count_runs(x.shape(), shape) > 1) {
    return in_float32(
        "sum_to", [&](const Tensor& wide) { return sum_to(wide, shape); }, x);
  }
  return record(
      "sum_to", sum_runs(x.detach(), shape), {x}, Saved::nothing(),
      [](const Vjp& v) -> Gradients { return {broadcast_to(v.cotangent(), v.input_shape(0))}; });
}

Tensor broadcast_to(const Tensor& x, const Shape& shape) {
  check_same_kind("broadcast_to", {&x});
  check(broadcast_shapes(x.shape(), shape, "broadcast_to") == shape,
        "[broadcast_to] shape {} does not broadcast to {}", x.shape(), shape);
  if (x.shape() == shape) return x;
  Tensor y = Tensor::empty(shape, x.dtype(), x.device());
  const auto plan = kernels::plan_broadcast(shape.sizes(), x.shape().sizes(), x.shape().sizes());
  run_with_bfloat16("broadcast_to", x, [&]<class T>() {
    return kernels::MapBinary<kernels::First, T>{
        .a = x.data<T>(), .b = x.data<T>(), .y = y.data<T>(), .plan = plan};
  });
  return record("broadcast_to", y, {x}, Saved::nothing(), [](const Vjp& v) -> Gradients {
    return {sum_to(v.cotangent(), v.input_shape(0))};
  });
}

Tensor sum(const Tensor& x) { return sum_to(x, {}); }

Tensor mean(const Tensor& x) {
  check_same_kind("mean", {&x});
  check(x.numel() > 0, "[mean] shape {} has no elements", x.shape());
  if (is_bfloat16(x))
    return in_float32(
        "mean", [](const Tensor& wide) { return mean(wide); }, x);
  return sum(x) / static_cast<double>(x.numel());
}

Tensor sum(const Tensor& x, const std::vector<int>& axes, bool keep) {
  return sum_axes("sum", x, axes, keep);
}

Tensor mean(const Tensor& x, const std::vector<int>& axes, bool keep) {
  const Shape kept = keep_axes("mean", x, axes);
  check(x.numel() > 0, "[mean] shape {} has no elements", x.shape());
  if (is_bfloat16(x)) {
    return in_float32(
        "mean", [&](const Tensor& wide) { return mean(wide, axes, keep); }, x);
  }
  return sum_axes("mean", x, axes, keep) / static_cast<double>(x.numel() / kept.numel());
}

Tensor variance(const Tensor& x, const std::vector<int>& axes, bool unbiased, bool keep) {
  const Shape kept = keep_axes("variance", x, axes);
  const std::int64_t count = kept.numel() == 0 ? 0 : x.numel() / kept.numel();
  const std::int64_t divisor = count - (unbiased ? 1 : 0);
  check(divisor > 0, "[variance] {} values are too few for an {} variance of shape {}", count,
        unbiased ? "unbiased" : "biased", x.shape());
  if (is_bfloat16(x)) {
    return in_float32(
        "variance", [&](const Tensor& wide) { return variance(wide, axes, unbiased, keep); }, x);
  }
  const Tensor centred = x - mean(x, axes, true);
  return sum_axes("variance", square(centred), axes, keep) / static_cast<double>(divisor);
}

Tensor dot(const Tensor& a, const Tensor& b) {
  check_same_kind("dot", {&a, &b});
  check(a.shape() == b.shape(), "[dot] shapes differ: {} and {}", a.shape(), b.shape());
  Tensor y = Tensor::empty({}, a.dtype(), a.device());
  run_with_bfloat16("dot", a, [&]<class T>() {
    return kernels::SumProducts<T>{.a = a.data<T>(),
                                   .b = b.data<T>(),
                                   .y = y.data<T>(),
                                   .outer = 1,
                                   .reduce = a.numel(),
                                   .inner = 1};
  });
  return record("dot", y, {a, b}, Saved::partners(a, b), [](const Vjp& v) -> Gradients {
    return {v.needs(0) ? v.cotangent() * v.input(1) : Tensor(),
            v.needs(1) ? v.cotangent() * v.input(0) : Tensor()};
  });
}

}  // namespace switchyard
