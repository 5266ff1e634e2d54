#pragma once

#include "kernels/api/conv2d.h"

namespace switchyard::kernels {

/// One face of the float32 convolution's trilinear form by oneDNN, on `threads` threads (oneDNN
/// splits the work when it makes a primitive), or by our own Winograd where oneDNN has none: reads
/// two of x, w, y and writes the third, which is y, x or w by face. No size may be 0. Primitives
/// are cached by face, shape and thread count.
void run_convolution(ConvFace face, const ConvShape& shape, int threads, const float* x,
                     const float* w, const float* y);

}  // namespace switchyard::kernels
