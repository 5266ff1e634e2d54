#pragma once

#include "kernels/api/matmul.h"

namespace switchyard::kernels {

/// The product by cuBLAS, the last rung on a GPU; T is float or double. Errors: CudaError where
/// cuBLAS is missing or fails.
template <class T>
void matmul_cublas(Cuda& cuda, const Matmul<T>& a);

}  // namespace switchyard::kernels
