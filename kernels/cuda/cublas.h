#pragma once

#include <cublas_v2.h>

#include <memory>

#include "kernels/api/matmul.h"

namespace switchyard::kernels {

/// Lists what is used of cuBLAS, by the types of its header.
struct CublasFunctions {
  decltype(cublasCreate_v2)* create;
  decltype(cublasDestroy_v2)* destroy;
  decltype(cublasSetStream_v2)* set_stream;
  decltype(cublasSetMathMode)* set_math_mode;
  decltype(cublasSetAtomicsMode)* set_atomics_mode;
  decltype(cublasSgemm_v2_64)* sgemm;
  decltype(cublasDgemm_v2_64)* dgemm;
  decltype(cublasGetStatusString)* status_text;
};

/// Those of the installed library, which the first call opens. Errors: CudaError.
const CublasFunctions& cublas_functions();

/// A handle of cuBLAS on one stream: float32 products in float32, not tf32, and no atomics, so that
/// a shape has the same bits in every run.
class Cublas {
 public:
  /// Errors: CudaError naming the call.
  Cublas(const CublasFunctions& functions, cudaStream_t stream);

  /// C = op(A) · op(B), plus C if `accumulate`, on the stream, T float or double. No size is 0.
  template <class T>
  void matmul(const MatmulShape& shape, const T* a, const T* b, T* c, bool accumulate = false);

 private:
  void check(cublasStatus_t status, const char* call) const;

  const CublasFunctions& functions_;
  std::unique_ptr<cublasContext, decltype(cublasDestroy_v2)*> handle_;
};

}  // namespace switchyard::kernels
