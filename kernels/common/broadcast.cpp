#include "kernels/common/broadcast.h"

namespace switchyard::kernels {
namespace {

using Axes = BroadcastPlan::Axes;

/// Strides of a row-major operand, aligned at the last axis of a result of `rank` axes.
Axes aligned_strides(std::span<const std::int64_t> sizes, std::size_t rank) {
  Axes strides{};
  std::int64_t step = 1;
  for (std::size_t i = 1; i <= sizes.size(); ++i) {
    const std::int64_t size = sizes[sizes.size() - i];
    strides[rank - i] = size == 1 ? 0 : step;
    step *= size;
  }
  return strides;
}

}  // namespace

std::int64_t BroadcastPlan::operand_count(const Axes& strides) const {
  std::int64_t elements = 1;
  for (std::size_t axis = 0; axis < static_cast<std::size_t>(rank); ++axis) {
    if (strides[axis] != 0) elements *= sizes[axis];
  }
  return elements;
}

BroadcastPlan plan_broadcast(std::span<const std::int64_t> result, std::span<const std::int64_t> a,
                             std::span<const std::int64_t> b) {
  const Axes a_strides = aligned_strides(a, result.size());
  const Axes b_strides = aligned_strides(b, result.size());
  BroadcastPlan plan;
  plan.count = 1;
  for (std::size_t axis = 0; axis < result.size(); ++axis) {
    const std::int64_t size = result[axis];
    plan.count *= size;
    if (size == 1) continue;
    const auto last = static_cast<std::size_t>(plan.rank) - 1;  // meaningless while rank is 0
    if (plan.rank > 0 && plan.a_strides[last] == a_strides[axis] * size &&
        plan.b_strides[last] == b_strides[axis] * size) {
      plan.sizes[last] *= size;
      plan.a_strides[last] = a_strides[axis];
      plan.b_strides[last] = b_strides[axis];
      continue;
    }
    const auto next = static_cast<std::size_t>(plan.rank++);
    plan.sizes[next] = size;
    plan.a_strides[next] = a_strides[axis];
    plan.b_strides[next] = b_strides[axis];
  }
  if (plan.rank == 0) {
    plan.rank = 1;
    plan.sizes[0] = 1;
  }
  return plan;
}

}  // namespace switchyard::kernels
