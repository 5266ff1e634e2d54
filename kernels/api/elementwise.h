#pragma once

#include <cstdint>

#include "kernels/common/broadcast.h"
#include "kernels/common/scalar_ops.h"

// Elementwise maps for every functor of kernels/common/scalar_ops.h, T = float and double.

namespace switchyard::kernels {

/// y[i] = op(x[i]) for i in [0, n). y may be x.
template <class Exec, class Op, class T>
void map_unary(Exec&, Op op, const T* x, T* y, std::int64_t n);

/// y = op(a, b) over the plan's axes, y contiguous. y may be an operand that has y's shape.
template <class Exec, class Op, class T>
void map_binary(Exec&, Op op, const T* a, const T* b, T* y, const BroadcastPlan& plan);

}  // namespace switchyard::kernels
