#pragma once

#include <cstdint>

#include "kernels/api/variants.h"

// Sums over the middle axis of [outer, reduce, inner], T = float and double. Partial sums cover
// fixed stretches of the data and are added in order, in double: the same bits for any thread
// count, and an error that does not grow with the number of terms in float32.

namespace switchyard::kernels {

/// x [outer, reduce, inner] -> y [outer, inner]; zeros where reduce is 0. With outer = 1 this is
/// the sum over rows of a matrix, with inner = 1 the sum of each row.
template <class Exec, class T>
void sum_middle(Exec&, const T* x, T* y, std::int64_t outer, std::int64_t reduce,
                std::int64_t inner);

/// The same sums of the products a·b, both [outer, reduce, inner]: dot products (outer = inner = 1)
/// and per-channel products (outer = 1).
template <class Exec, class T>
void sum_products(Exec&, const T* a, const T* b, T* y, std::int64_t outer, std::int64_t reduce,
                  std::int64_t inner);

template <class Exec, class T>
using SumMiddleFunction = void(Exec&, const T* x, T* y, std::int64_t outer, std::int64_t reduce,
                               std::int64_t inner);
template <class Exec, class T>
using SumProductsFunction = void(Exec&, const T* a, const T* b, T* y, std::int64_t outer,
                                 std::int64_t reduce, std::int64_t inner);

// The ladders behind them (kernels/cuda/reduction.cu). A variant throws std::invalid_argument for
// more outputs than a grid has blocks for.
template <class Exec, class T>
VariantLadder<SumMiddleFunction<Exec, T>> sum_middle_ladder();
template <class Exec, class T>
VariantLadder<SumProductsFunction<Exec, T>> sum_products_ladder();

}  // namespace switchyard::kernels
