#pragma once

#include <cstdint>

#include "kernels/common/bfloat16.h"

namespace switchyard::kernels {

/// A row-major matrix, or the transpose of one: element (i, j) is data[i · stride + j], or
/// data[j · stride + i] if `transposed`.
template <class T>
struct MatrixView {
  const T* data = nullptr;
  std::int64_t stride = 0;
  bool transposed = false;

  /// The part whose first element is (row, col).
  MatrixView from(std::int64_t row, std::int64_t col) const {
    return {data + (transposed ? col * stride + row : row * stride + col), stride, transposed};
  }
};

/// C [m, n] = A [m, k] · B [k, n], plus C if `accumulate`; rows of C are `c_stride` apart. Runs on
/// the calling thread. float: oneDNN; double: Eigen.
void gemm(std::int64_t m, std::int64_t n, std::int64_t k, MatrixView<float> a, MatrixView<float> b,
          float* c, std::int64_t c_stride, bool accumulate = false);
void gemm(std::int64_t m, std::int64_t n, std::int64_t k, MatrixView<double> a,
          MatrixView<double> b, double* c, std::int64_t c_stride, bool accumulate = false);
/// bfloat16 operands, float32 sums: oneDNN. Slow where the processor has no units for it.
void gemm(std::int64_t m, std::int64_t n, std::int64_t k, MatrixView<BFloat16> a,
          MatrixView<BFloat16> b, float* c, std::int64_t c_stride, bool accumulate = false);

/// Returns whether the processor multiplies bfloat16 numbers (AVX-512 BF16, AMX).
bool has_bfloat16_units();

/// Computes the same product on all threads: C is cut into tiles whose sizes depend on m and n
/// alone, so its bits do not depend on the thread count.
template <class T>
void parallel_gemm(std::int64_t m, std::int64_t n, std::int64_t k, MatrixView<T> a, MatrixView<T> b,
                   ResultOf<T>* c, std::int64_t c_stride, bool accumulate = false);

}  // namespace switchyard::kernels
