#pragma once

#include <cstdint>

#include "kernels/api/executor.h"

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

/// Overwrites c. T is float or double. The bits of c do not depend on the thread count.
template <class Exec, class T>
void matmul(Exec& executor, const MatmulShape& shape, const T* a, const T* b, T* c);

}  // namespace switchyard::kernels
