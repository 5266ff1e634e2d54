#include "kernels/cuda/cudnn/cudnn.h"

#include <array>
#include <type_traits>

#include "kernels/api/device.h"

namespace switchyard::kernels {
namespace {

// A network has some sixty convolution shapes and three faces of each.
constexpr std::size_t kCachedPlans = 512;

}  // namespace

Cudnn::Cudnn(const CudnnFunctions& functions, cudaStream_t stream)
    : functions_(functions), handle_(nullptr, functions.destroy), plans_(kCachedPlans) {
  cudnnHandle_t handle = nullptr;
  check_cudnn(functions_, functions_.create(&handle), "cudnnCreate");
  handle_.reset(handle);
  check_cudnn(functions_, functions_.set_stream(handle, stream), "cudnnSetStream");
  device_ = std::make_unique<CudnnDescriptor>(functions_, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  device_->set(CUDNN_ATTR_DEVICEPROP_HANDLE, handle).finalize();
}

template <class T>
void Cudnn::convolve(Cuda& cuda, ConvFace face, const ConvShape& shape, const T* x, const T* w,
                     const T* y) {
  const std::array<const void*, 3> operands = {x, w, y};
  const ConvQuestion question{.face = face,
                              .shape = shape,
                              .is_double = std::is_same_v<T, double>,
                              .alignment = common_alignment(operands)};
  const auto plan = plans_.find_or_make(
      question, [&] { return std::make_shared<const ConvPlan>(functions_, *device_, question); });
  const MemoryBlock workspace = allocate(cuda, plan->workspace_bytes());
  try {
    plan->run(handle_.get(), x, w, y, workspace.data);
  } catch (...) {
    release(cuda, workspace);
    throw;
  }
  release(cuda, workspace);
}

template void Cudnn::convolve(Cuda&, ConvFace, const ConvShape&, const float*, const float*,
                              const float*);
template void Cudnn::convolve(Cuda&, ConvFace, const ConvShape&, const double*, const double*,
                              const double*);

}  // namespace switchyard::kernels
