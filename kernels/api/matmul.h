#pragma once

#include <cstdint>

#include "kernels/api/kernel.h"
#include "kernels/common/bfloat16.h"

namespace switchyard::kernels {

/// Sizes of C [M, N] = op(A) [M, K] · op(B) [K, N]. A flag says that the stored, row-major matrix
/// is the transpose. Sizes of 0 are legal; K = 0 gives zeros.
struct MatmulShape {
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
  bool transpose_a = false;
  bool transpose_b = false;
};

/// Overwrites c with op(a) · op(b), plus an addend if there is one. T is float, double, or bfloat16
/// with float32 sums and result. The bits of c do not depend on the thread count.
template <class T>
struct Matmul {
  static constexpr std::string_view kName = "matmul";
  MatmulShape shape;
  const T* a = nullptr;      ///< [m, k], or [k, m] if transposed
  const T* b = nullptr;      ///< [k, n], or [n, k] if transposed
  ResultOf<T>* c = nullptr;  ///< [m, n]
  /// Asks that the bits of a row of c depend on that row of op(A) and on B alone: not on m, nor on
  /// where the row lies. Rungs that cannot promise it do not take the call.
  bool batch_invariant = false;
  /// [m, n], c itself or memory that does not overlap it: c = addend + op(a) · op(b). Null:
  /// nothing.
  const ResultOf<T>* addend = nullptr;
  Work work() const {
    const auto& [m, n, k, transpose_a, transpose_b] = shape;
    return {
        .bytes =
            bytes_of<T>(m * k + k * n) + bytes_of<ResultOf<T>>(m * n * (addend != nullptr ? 2 : 1)),
        .flops = 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k)};
  }
};

/// What those rungs take.
inline constexpr std::string_view kAnyBits = "a call that does not ask for batch-invariant bits";
template <class T>
bool any_bits(const Matmul<T>& a) {
  return !a.batch_invariant;
}

}  // namespace switchyard::kernels
