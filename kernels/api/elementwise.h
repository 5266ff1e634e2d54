#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/api/kernel.h"
#include "kernels/common/broadcast.h"
#include "kernels/common/floating_types.h"
#include "kernels/common/scalar_ops.h"

// These kernels are elementwise maps for every functor of kernels/common/scalar_ops.h and every
// floating type. bfloat16 is computed in float32 and rounded once. A map is called by its functor's
// name: "exp", "relu_grad".

namespace switchyard::kernels {

/// y[i] = op(x[i]).
template <class Functor, class T>
struct MapUnary {
  static constexpr std::string_view kName = Functor::kName;
  Functor op = {};
  const T* x = nullptr;  ///< [count]
  T* y = nullptr;        ///< [count]; may be x
  std::int64_t count = 0;
  Work work() const { return {.bytes = bytes_of<T>(2 * count)}; }
};

/// y = op(a, b) over the plan's axes.
template <class Functor, class T>
struct MapBinary {
  static constexpr std::string_view kName = Functor::kName;
  Functor op = {};
  const T* a = nullptr;  ///< as the plan strides it
  const T* b = nullptr;  ///< as the plan strides it
  T* y = nullptr;        ///< [plan.count], contiguous; may be an operand that has y's shape
  BroadcastPlan plan = {};
  Work work() const {
    const std::int64_t from_b =
        std::is_same_v<Functor, First> ? 0 : plan.operand_count(plan.b_strides);
    return {.bytes = bytes_of<T>(plan.operand_count(plan.a_strides) + from_b + plan.count)};
  }
};

/// Every map of one operand and of two.
using UnaryMaps = EachOf<MapUnary, UnaryFunctors, FloatingTypes>;
using BinaryMaps = EachOf<MapBinary, BinaryFunctors, FloatingTypes>;

}  // namespace switchyard::kernels
