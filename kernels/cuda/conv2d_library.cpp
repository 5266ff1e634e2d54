#include "kernels/cuda/conv2d_library.h"

#include "kernels/api/device.h"
#include "kernels/cuda/parts.h"

#ifdef SWITCHYARD_CUDNN
#include "kernels/cuda/cudnn/cudnn.h"
#endif

namespace switchyard::kernels {
namespace {

/// Whether the result has no elements, or all of its sums no terms: then it is written here.
template <class T>
bool convolve_empty(Cuda& cuda, ConvFace face, const ConvShape& shape, T* result) {
  if (shape.x_size() != 0 && shape.w_size() != 0 && shape.y_size() != 0) return false;
  const std::int64_t count = face == ConvFace::kForward     ? shape.y_size()
                             : face == ConvFace::kInputGrad ? shape.x_size()
                                                            : shape.w_size();
  clear(cuda, result, static_cast<std::size_t>(count) * sizeof(T));
  return true;
}

#ifdef SWITCHYARD_CUDNN
/// The executor's, made at its first use.
Cudnn& cudnn_of(Cuda& cuda) {
  auto& cudnn = cuda.parts->cudnn;
  if (cudnn == nullptr) cudnn = std::make_shared<Cudnn>(cudnn_functions(), cuda.stream);
  return *cudnn;
}

template <class T>
void convolve(Cuda& cuda, ConvFace face, const ConvShape& shape, const T* first, const T* second,
              const T* result) {
  Cudnn& cudnn = cudnn_of(cuda);
  switch (face) {
    case ConvFace::kForward:
      return cudnn.convolve(cuda, face, shape, first, second, result);
    case ConvFace::kInputGrad:
      return cudnn.convolve(cuda, face, shape, result, second, first);
    case ConvFace::kWeightGrad:
      return cudnn.convolve(cuda, face, shape, first, result, second);
  }
}
#else
[[noreturn]] void cudnn_of(Cuda& /*cuda*/) { throw CudaError("[conv2d] this build has no cuDNN"); }

template <class T>
void convolve(Cuda& cuda, ConvFace, const ConvShape&, const T*, const T*, const T*) {
  cudnn_of(cuda);
}
#endif

}  // namespace

void choose_convolutions(Cuda& cuda, ConvolutionCode code) {
  if (code == ConvolutionCode::kCudnn) cudnn_of(cuda);
  cuda.conv = code;
}

template <class T>
bool conv2d_by_library(Cuda& cuda, ConvFace face, const ConvShape& shape, const T* first,
                       const T* second, T* result) {
  if (cuda.conv != ConvolutionCode::kCudnn) return false;
  if (!convolve_empty(cuda, face, shape, result)) {
    convolve(cuda, face, shape, first, second, result);
  }
  return true;
}

template bool conv2d_by_library(Cuda&, ConvFace, const ConvShape&, const float*, const float*,
                                float*);
template bool conv2d_by_library(Cuda&, ConvFace, const ConvShape&, const double*, const double*,
                                double*);

}  // namespace switchyard::kernels
