#pragma once

#include <cstdint>

#include "kernels/api/conv2d.h"

namespace switchyard::kernels {

/// Whose convolutions run on a GPU.
enum class ConvolutionCode : std::uint8_t {
  kOwn,   ///< the hand-written kernels
  kCudnn  ///< cuDNN; what it cannot do is an error, never the other kernels in silence
};

/// Sets Cuda::conv. Errors: CudaError where cuDNN is asked for and missing or cannot be started.
void choose_convolutions(Cuda& cuda, ConvolutionCode code);

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
