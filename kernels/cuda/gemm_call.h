#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/api/matmul.h"

namespace switchyard::kernels {

/// A product of column-major matrices as BLAS's gemm takes it: C [rows, cols] = op(X) · op(Y),
/// where a matrix [r, c] with leading dimension l keeps element (i, j) at i + j·l.
struct GemmCall {
  bool transpose_x = false;
  bool transpose_y = false;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t depth = 0;
  std::int64_t ld_x = 1;
  std::int64_t ld_y = 1;
  std::int64_t ld_c = 1;
};

/// The call that computes the row-major product with X = B and Y = A. Row-major memory read by
/// columns is the transpose: C^T [n, m] = op(B)^T · op(A)^T, in which every matrix is already what
/// is stored, transposed where its flag says so. A leading dimension is the length of a stored row,
/// and at least 1 as BLAS demands.
inline GemmCall column_major(const MatmulShape& shape) {
  const auto leading = [](std::int64_t row) { return std::max(row, std::int64_t{1}); };
  return {.transpose_x = shape.transpose_b,
          .transpose_y = shape.transpose_a,
          .rows = shape.n,
          .cols = shape.m,
          .depth = shape.k,
          .ld_x = leading(shape.transpose_b ? shape.k : shape.n),
          .ld_y = leading(shape.transpose_a ? shape.m : shape.k),
          .ld_c = leading(shape.n)};
}

}  // namespace switchyard::kernels
