#pragma once

#include "kernels/api/conv2d.h"

namespace switchyard::kernels {

enum class ConvAlgorithm : std::uint8_t {
  kDirect,
  kWinograd,  ///< F(4x4, 3x3), of oneDNN 2.x with AVX-512 alone
};

/// Returns whether the library computes this face of the convolution by the algorithm. No size may
/// be 0.
bool onednn_has(ConvFace face, const ConvShape& shape, ConvAlgorithm algorithm);

/// One face of the float32 convolution's trilinear form by oneDNN, on `threads` threads (oneDNN
/// splits the work when it makes a primitive): reads two of x, w, y and writes the third, which is
/// y, x or w by face. No size may be 0. Primitives are cached by face, shape, algorithm and thread
/// count. Errors: dnnl::error where the library has no such primitive.
void run_onednn_convolution(ConvFace face, const ConvShape& shape, ConvAlgorithm algorithm,
                            int threads, const float* x, const float* w, const float* y);

}  // namespace switchyard::kernels
