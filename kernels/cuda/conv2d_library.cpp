#include "kernels/cuda/conv2d_library.h"

#include "kernels/api/device.h"
#include "kernels/cuda/parts.h"

#ifdef SWITCHYARD_CUDNN
#include "kernels/cuda/cudnn/cudnn.h"
#endif

namespace switchyard::kernels {
namespace {

#ifdef SWITCHYARD_CUDNN
/// The executor's, made at its first use.
Cudnn& cudnn_of(Cuda& cuda) {
  auto& cudnn = cuda.parts->cudnn;
  if (cudnn == nullptr) cudnn = std::make_shared<Cudnn>(cudnn_functions(), cuda.stream);
  return *cudnn;
}

template <class T>
void convolve(Cuda& cuda, const Conv2d<T>& a) {
  cudnn_of(cuda).convolve(cuda, ConvFace::kForward, a.shape, a.x, a.w, a.y);
}
template <class T>
void convolve(Cuda& cuda, const Conv2dInputGrad<T>& a) {
  cudnn_of(cuda).convolve(cuda, ConvFace::kInputGrad, a.shape, a.gx, a.w, a.gy);
}
template <class T>
void convolve(Cuda& cuda, const Conv2dWeightGrad<T>& a) {
  cudnn_of(cuda).convolve(cuda, ConvFace::kWeightGrad, a.shape, a.x, a.gw, a.gy);
}
#else
[[noreturn]] void cudnn_of(Cuda& /*cuda*/) { throw CudaError("[conv2d] this build has no cuDNN"); }

template <class Op>
void convolve(Cuda& cuda, const Op&) {
  cudnn_of(cuda);
}
#endif

template <class T>
void clear_result(Cuda& cuda, T* result, std::int64_t count) {
  clear(cuda, result, static_cast<std::size_t>(count) * sizeof(T));
}
template <class T>
void clear_result(Cuda& cuda, const Conv2d<T>& a) {
  clear_result(cuda, a.y, a.shape.y_size());
}
template <class T>
void clear_result(Cuda& cuda, const Conv2dInputGrad<T>& a) {
  clear_result(cuda, a.gx, a.shape.x_size());
}
template <class T>
void clear_result(Cuda& cuda, const Conv2dWeightGrad<T>& a) {
  clear_result(cuda, a.gw, a.shape.w_size());
}

}  // namespace

void start_cudnn(Cuda& cuda) { cudnn_of(cuda); }

template <class Op>
void conv2d_cudnn(Cuda& cuda, const Op& a) {
  // cuDNN takes no empty tensors: the result has no elements, or all of its sums have no terms.
  if (a.shape.x_size() == 0 || a.shape.w_size() == 0 || a.shape.y_size() == 0) {
    return clear_result(cuda, a);
  }
  convolve(cuda, a);
}

template void conv2d_cudnn(Cuda&, const Conv2d<float>&);
template void conv2d_cudnn(Cuda&, const Conv2d<double>&);
template void conv2d_cudnn(Cuda&, const Conv2dInputGrad<float>&);
template void conv2d_cudnn(Cuda&, const Conv2dInputGrad<double>&);
template void conv2d_cudnn(Cuda&, const Conv2dWeightGrad<float>&);
template void conv2d_cudnn(Cuda&, const Conv2dWeightGrad<double>&);

}  // namespace switchyard::kernels
