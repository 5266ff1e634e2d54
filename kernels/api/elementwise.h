#pragma once

#include <cstdint>

#include "kernels/api/variants.h"
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

template <class Exec, class Op, class T>
using MapUnaryFunction = void(Exec&, Op op, const T* x, T* y, std::int64_t n);
template <class Exec, class Op, class T>
using MapBinaryFunction = void(Exec&, Op op, const T* a, const T* b, T* y,
                               const BroadcastPlan& plan);

// The ladders behind them (kernels/cuda/elementwise.cu). A variant throws std::invalid_argument
// where what it needs is not met and for more elements than a grid covers.
template <class Exec, class Op, class T>
VariantLadder<MapUnaryFunction<Exec, Op, T>> map_unary_ladder();
template <class Exec, class Op, class T>
VariantLadder<MapBinaryFunction<Exec, Op, T>> map_binary_ladder();

}  // namespace switchyard::kernels
