#pragma once

#include <cstdint>

#include "kernels/api/executor.h"

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

}  // namespace switchyard::kernels
