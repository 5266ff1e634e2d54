#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "kernels/cpu/lru_cache.h"
#include "kernels/cuda/cudnn/conv_plan.h"
#include "kernels/cuda/cudnn/functions.h"
#include "kernels/cuda/stream.h"

namespace switchyard::kernels {

/// A handle of cuDNN on one stream, with the plans made for it.
class Cudnn {
 public:
  /// Errors: CudaError naming the call.
  Cudnn(const CudnnFunctions& functions, cudaStream_t stream);

  /// Enqueues one face: reads two of x, w, y and writes the third, which is y, x or w by face. No
  /// size is 0. Errors: CudaError, where cuDNN cannot.
  template <class T>
  void convolve(Cuda& cuda, ConvFace face, const ConvShape& shape, const T* x, const T* w,
                const T* y);

 private:
  const CudnnFunctions& functions_;
  std::unique_ptr<cudnnContext, decltype(cudnnDestroy)*> handle_;
  std::unique_ptr<CudnnDescriptor> device_;  // what plans are made for
  LruCache<ConvQuestion, ConvPlan, ConvQuestionHash> plans_;
};

}  // namespace switchyard::kernels
