#pragma once

#include "engine/core/tensor.h"

namespace switchyard {

/// Says in which dtype a product comes: that of its operands, or that of its sums, float32 for
/// bfloat16 operands (a gate's logits, a loss).
enum class ProductDType { kOperands, kSums };

/// Says whether the bits of a product's row may depend on what else is multiplied, or on that row
/// of op(a) and on b alone (docs/design/moe_layer.md).
enum class RowBits { kFree, kBatchInvariant };

/// op(a) · op(b) with op(a) [M, K] and op(b) [K, N]; a flag says that the stored matrix is the
/// transpose. Errors: rank other than 2, inner sizes that differ.
Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a = false, bool transpose_b = false,
              ProductDType result = ProductDType::kOperands, RowBits bits = RowBits::kFree);

/// addend + op(a) · op(b) in one kernel, the addend [M, N] in the dtype of the sums: float32 for
/// bfloat16 operands. Errors: those of matmul(), an addend of another shape, dtype or device.
Tensor matmul_add(const Tensor& addend, const Tensor& a, const Tensor& b, bool transpose_a = false,
                  bool transpose_b = false, RowBits bits = RowBits::kFree);

/// x [N, in], w [out, in], bias [out] or undefined -> [N, out]. All of one dtype.
Tensor linear(const Tensor& x, const Tensor& w, const Tensor& bias,
              ProductDType result = ProductDType::kOperands, RowBits bits = RowBits::kFree);

// Grouped matrix product over expert segments: rows [offsets[e], offsets[e+1]) of x belong to
// expert e. One trilinear form with three faces. `offsets` is [E+1] int64, ascending from 0 to the
// row count: checked on the CPU, on other devices trusted to be make_routing()'s.

/// y[s] = x[s] · W_e, or x[s] · W_eᵀ if `transpose_w`. x [S, K], w [E, K, N] (or [E, N, K]) -> [S,
/// N].
Tensor grouped_matmul(const Tensor& x, const Tensor& w, const Tensor& offsets,
                      bool transpose_w = false);
/// y[s] = x[s] · W_eᵀ + bias_e: an expert's linear layer. x [S, K], w [E, N, K], bias [E, N] -> [S,
/// N].
Tensor grouped_linear(const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& offsets);
/// Per expert Σ_s x[s]ᵀ · gy[s]: x [S, K], gy [S, N] -> [E, K, N]; zeros for empty experts.
Tensor grouped_matmul_weight_grad(const Tensor& x, const Tensor& gy, const Tensor& offsets);
/// Sums over each segment, x [S, N] -> [E, N], zeros for empty experts; and its transpose, which
/// gives each of `rows` rows its expert's, x [E, N] -> [rows, N].
Tensor segment_sum(const Tensor& x, const Tensor& offsets);
Tensor segment_broadcast(const Tensor& x, const Tensor& offsets, std::int64_t rows);

}  // namespace switchyard
