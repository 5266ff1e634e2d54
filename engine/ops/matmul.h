#pragma once

#include "engine/core/tensor.h"

namespace switchyard {

/// op(a) · op(b) with op(a) [M, K] and op(b) [K, N]; a flag says that the stored matrix is the
/// transpose. Errors: rank other than 2, inner sizes that differ.
Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a = false, bool transpose_b = false);

/// x [N, in], w [out, in], bias [out] or undefined -> [N, out].
Tensor linear(const Tensor& x, const Tensor& w, const Tensor& bias);

// Grouped matrix product over expert segments: rows [offsets[e], offsets[e+1]) of x belong to
// expert e. One trilinear form with three faces. `offsets` is [E+1] int64, ascending from 0 to the
// row count (checked).

/// y[s] = x[s] · W_e, or x[s] · W_eᵀ if `transpose_w`. x [S, K], w [E, K, N] (or [E, N, K]) -> [S,
/// N].
Tensor grouped_matmul(const Tensor& x, const Tensor& w, const Tensor& offsets,
                      bool transpose_w = false);
/// Per expert Σ_s x[s]ᵀ · gy[s]: x [S, K], gy [S, N] -> [E, K, N]; zeros for empty experts.
Tensor grouped_matmul_weight_grad(const Tensor& x, const Tensor& gy, const Tensor& offsets);

}  // namespace switchyard
