#pragma once

#include "kernels/api/matmul.h"
#include "kernels/cuda/library_calls.h"

namespace switchyard::kernels {

/// The product by cuBLAS, the last rung on a GPU; T is float or double. Errors: CudaError where
/// cuBLAS is missing or fails.
template <class T>
void matmul_cublas(Cuda& cuda, const Matmul<T>& a);

inline constexpr std::string_view kCublasNeeds =
    "cuBLAS, and a call that does not ask for batch-invariant bits";
template <class T>
bool cublas_takes(const Matmul<T>& a) {
  return library_calls_allowed() && any_bits(a);
}

}  // namespace switchyard::kernels
