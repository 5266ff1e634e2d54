#pragma once

#include <span>

#include "engine/core/tensor.h"

namespace switchyard {

/// Returns the same elements under another shape of equal count (no copy).
Tensor reshape(const Tensor& x, const Shape& shape);
/// [M, N] -> [N, M], or each matrix of a stack: [B, M, N] -> [B, N, M].
Tensor transpose(const Tensor& x);
/// Joins along axis 0; all other sizes must agree.
Tensor concat(std::span<const Tensor> parts);
/// Joins tensors of one shape [..] to [parts, ..].
Tensor stack(std::span<const Tensor> parts);
/// Rows [begin, end) along axis 0; transpose of pad_rows.
Tensor slice_rows(const Tensor& x, std::int64_t begin, std::int64_t end);
/// Puts x at rows [begin, begin + x.size(0)) of a zero tensor with `rows` rows.
Tensor pad_rows(const Tensor& x, std::int64_t begin, std::int64_t rows);
/// Columns [begin, end) of a matrix [rows, columns]; transpose of pad_columns.
Tensor slice_columns(const Tensor& x, std::int64_t begin, std::int64_t end);
/// Puts a matrix x at columns [begin, begin + x.size(1)) of zeros [rows, columns].
Tensor pad_columns(const Tensor& x, std::int64_t begin, std::int64_t columns);

}  // namespace switchyard
