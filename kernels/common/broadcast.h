#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace switchyard::kernels {

/// Says how two row-major operands are read while a row-major result is written, under NumPy's
/// broadcasting rule. Axes of size 1 are dropped and neighbours along which both operands step
/// alike are merged, so that equal shapes become one axis and [N, H, W, C] with [C] becomes two.
struct BroadcastPlan {
  static constexpr int kMaxRank = 6;
  using Axes = std::array<std::int64_t, kMaxRank>;

  int rank = 0;            ///< axes left, at least 1
  std::int64_t count = 0;  ///< elements of the result
  Axes sizes{};            ///< outermost first
  Axes a_strides{};        ///< in elements; 0 where the operand repeats
  Axes b_strides{};        ///< the innermost stride of an operand is 0 or 1

  /// Elements of the operand that has these strides.
  std::int64_t operand_count(const Axes& strides) const;
};

/// The plan for operands of shapes `a` and `b` that broadcast to `result` (the caller has checked).
BroadcastPlan plan_broadcast(std::span<const std::int64_t> result, std::span<const std::int64_t> a,
                             std::span<const std::int64_t> b);

}  // namespace switchyard::kernels
