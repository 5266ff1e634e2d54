#pragma once

#include "kernels/api/conv2d.h"

namespace switchyard::kernels {

/// Computes the face with cuDNN where the executor asks for it (Cuda::conv) and returns true; false
/// leaves it to the hand-written kernels. Operands in the order of kernels/api/conv2d.h; T is float
/// or double. Errors: CudaError where cuDNN is missing or cannot.
template <class T>
bool conv2d_by_library(Cuda& cuda, ConvFace face, const ConvShape& shape, const T* first,
                       const T* second, T* result);

/// The SIMT executor has no libraries.
template <class T>
bool conv2d_by_library(Simt& /*simt*/, ConvFace /*face*/, const ConvShape& /*shape*/,
                       const T* /*first*/, const T* /*second*/, T* /*result*/) {
  return false;
}

}  // namespace switchyard::kernels
