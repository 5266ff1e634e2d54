#pragma once

#include <cstdint>

#include "kernels/api/executor.h"
#include "kernels/api/variants.h"

namespace switchyard::kernels {

/// Sizes of a matrix product per expert over contiguous segments of rows: rows
/// [offsets[e], offsets[e+1]) belong to expert e, and `offsets` [E+1] ascends from 0 to `rows`.
struct GroupedShape {
  std::int64_t rows = 0;
  std::int64_t experts = 0;
  std::int64_t inner = 0;  ///< K, columns of x
  std::int64_t cols = 0;   ///< N, columns of y
};

/// y [S, N]: y[s] = x[s] · W_e for x [S, K], w [E, K, N]; with `transpose_w` w is [E, N, K] and
/// y[s] = x[s] · W_eᵀ. Overwrites y. T is float or double; the bits of y do not depend on the
/// thread count.
template <class Exec, class T>
void grouped_matmul(Exec& executor, const GroupedShape& shape, const std::int64_t* offsets,
                    const T* x, const T* w, bool transpose_w, T* y);

/// gw [E, K, N]: per expert Σ_s x[s]ᵀ · gy[s] for x [S, K], gy [S, N]; zeros for empty experts.
template <class Exec, class T>
void grouped_matmul_weight_grad(Exec& executor, const GroupedShape& shape,
                                const std::int64_t* offsets, const T* x, const T* gy, T* gw);

template <class Exec, class T>
using GroupedMatmulFunction = void(Exec&, const GroupedShape& shape, const std::int64_t* offsets,
                                   const T* x, const T* w, bool transpose_w, T* y);
template <class Exec, class T>
using GroupedMatmulWeightGradFunction = void(Exec&, const GroupedShape& shape,
                                             const std::int64_t* offsets, const T* x, const T* gy,
                                             T* gw);

// The ladders behind them (kernels/cuda/grouped_matmul*.cu); `offsets` lies on the device. A
// variant throws std::invalid_argument where what it needs is not met and for sizes that 32-bit
// indices do not cover.
template <class Exec, class T>
VariantLadder<GroupedMatmulFunction<Exec, T>> grouped_matmul_ladder();
template <class Exec, class T>
VariantLadder<GroupedMatmulWeightGradFunction<Exec, T>> grouped_matmul_weight_grad_ladder();

}  // namespace switchyard::kernels
