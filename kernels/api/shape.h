#pragma once

#include <cstdint>

#include "kernels/api/variants.h"
#include "kernels/common/convert.h"

// Moving elements. Element types, here: float, double, int32, int64, uint8.

namespace switchyard::kernels {

/// y[i] = x[i] as a To for i in [0, n), by the rules of convert_element (kernels/common/convert.h).
/// From and To are element types, equal or not, or one bfloat16 and the other float or double. The
/// stretches do not overlap.
template <class Exec, class From, class To>
void convert(Exec&, const From* x, To* y, std::int64_t n);

/// y[i] = x[i] for i in [0, n), T an element type.
template <class Exec, class T>
void copy(Exec& exec, const T* x, T* y, std::int64_t n) {
  convert(exec, x, y, n);
}

/// y[i] = value for i in [0, n), T an element type.
template <class Exec, class T>
void fill(Exec&, T* y, T value, std::int64_t n);

/// y[i] = 0 for i in [0, n), T an element type.
template <class Exec, class T>
void fill_zero(Exec& exec, T* y, std::int64_t n) {
  fill(exec, y, T{0}, n);
}

/// x [rows, columns] -> y [columns, rows], T = float and double.
template <class Exec, class T>
void transpose(Exec&, const T* x, T* y, std::int64_t rows, std::int64_t columns);

template <class Exec, class From, class To>
using ConvertFunction = void(Exec&, const From* x, To* y, std::int64_t n);
template <class Exec, class T>
using FillFunction = void(Exec&, T* y, T value, std::int64_t n);
template <class Exec, class T>
using TransposeFunction = void(Exec&, const T* x, T* y, std::int64_t rows, std::int64_t columns);

// The ladders behind them (kernels/cuda/shape.cu). A variant throws std::invalid_argument where
// what it needs is not met and for more elements than a grid covers.
template <class Exec, class From, class To>
VariantLadder<ConvertFunction<Exec, From, To>> convert_ladder();
template <class Exec, class T>
VariantLadder<FillFunction<Exec, T>> fill_ladder();
template <class Exec, class T>
VariantLadder<TransposeFunction<Exec, T>> transpose_ladder();

}  // namespace switchyard::kernels
