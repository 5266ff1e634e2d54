#pragma once

#include "kernels/api/conv2d.h"

namespace switchyard::kernels {

/// A face of the convolution by cuDNN: Op is Conv2d<T>, Conv2dInputGrad<T> or Conv2dWeightGrad<T>,
/// T float or double. Errors: CudaError where cuDNN is missing or cannot compute it; nothing falls
/// back to the hand-written kernels in silence.
template <class Op>
void conv2d_cudnn(Cuda& cuda, const Op& a);

/// Opens cuDNN now instead of at its first convolution. Errors: CudaError where it is missing or
/// cannot be started.
void start_cudnn(Cuda& cuda);

}  // namespace switchyard::kernels
