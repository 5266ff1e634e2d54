#pragma once

#include "kernels/api/matmul.h"

namespace switchyard::kernels {

/// The product by cuBLAS, the last rung on a GPU; T is float or double. Errors: CudaError where
/// cuBLAS is missing or fails.
template <class T>
void matmul_cublas(Cuda& cuda, const Matmul<T>& a);

/// From now on matmul_cublas takes no call: on a GPU that is none of NVIDIA's cuBLAS has nothing to
/// run on (kernels/xray/runtime).
void leave_out_cublas();
/// Whether matmul_cublas may take calls.
bool has_cublas();

inline constexpr std::string_view kCublasNeeds =
    "cuBLAS, and a call that does not ask for batch-invariant bits";
template <class T>
bool cublas_takes(const Matmul<T>& a) {
  return has_cublas() && any_bits(a);
}

}  // namespace switchyard::kernels
