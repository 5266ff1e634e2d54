#pragma once

#include <cstdint>

#include "kernels/api/executor.h"
#include "kernels/api/variants.h"
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

/// Overwrites c. T is float or double. The bits of c do not depend on the thread count.
template <class Exec, class T>
void matmul(Exec& executor, const MatmulShape& shape, const T* a, const T* b, T* c);

/// bfloat16 operands, float32 sums and result.
template <class Exec>
void matmul_bf16(Exec& executor, const MatmulShape& shape, const BFloat16* a, const BFloat16* b,
                 float* c);

template <class Exec, class T>
using MatmulFunction = void(Exec&, const MatmulShape& shape, const T* a, const T* b, T* c);
template <class Exec>
using MatmulBf16Function = void(Exec&, const MatmulShape& shape, const BFloat16* a,
                                const BFloat16* b, float* c);

// The ladders behind them (kernels/cuda/matmul.cu). A variant throws std::invalid_argument where
// what it needs is not met and for sizes that 32-bit indices do not cover.
template <class Exec, class T>
VariantLadder<MatmulFunction<Exec, T>> matmul_ladder();
template <class Exec>
VariantLadder<MatmulBf16Function<Exec>> matmul_bf16_ladder();

}  // namespace switchyard::kernels
