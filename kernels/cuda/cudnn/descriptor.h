#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string_view>
#include <type_traits>
#include <vector>

#include "kernels/cuda/cudnn/functions.h"

namespace switchyard::kernels {

/// Gives cuDNN's name of a C++ type in cudnnBackendSetAttribute.
template <class T>
constexpr cudnnBackendAttributeType_t cudnn_attribute_type() {
  if constexpr (std::is_same_v<T, std::int64_t>) {
    return CUDNN_TYPE_INT64;
  } else if constexpr (std::is_same_v<T, float>) {
    return CUDNN_TYPE_FLOAT;
  } else if constexpr (std::is_same_v<T, double>) {
    return CUDNN_TYPE_DOUBLE;
  } else if constexpr (std::is_same_v<T, void*>) {
    return CUDNN_TYPE_VOID_PTR;
  } else if constexpr (std::is_same_v<T, cudnnHandle_t>) {
    return CUDNN_TYPE_HANDLE;
  } else if constexpr (std::is_same_v<T, cudnnDataType_t>) {
    return CUDNN_TYPE_DATA_TYPE;
  } else if constexpr (std::is_same_v<T, cudnnConvolutionMode_t>) {
    return CUDNN_TYPE_CONVOLUTION_MODE;
  } else {
    static_assert(std::is_same_v<T, cudnnBackendHeurMode_t>, "a type without a name yet");
    return CUDNN_TYPE_HEUR_MODE;
  }
}

/// One object of cuDNN's graph interface: attributes are set, then it is finalised. What it refers
/// to must live as long. Errors: CudaError with the call and cuDNN's own reason.
class CudnnDescriptor {
 public:
  CudnnDescriptor(const CudnnFunctions& functions, cudnnBackendDescriptorType_t type);

  template <class T>
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, const T& value) {
    return set_raw(name, cudnn_attribute_type<T>(), 1, &value);
  }
  template <class T>
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, std::initializer_list<T> values) {
    return set_raw(name, cudnn_attribute_type<T>(), static_cast<std::int64_t>(values.size()),
                   values.begin());
  }
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, const CudnnDescriptor& other);
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, std::string_view text);

  void finalize();
  /// Returns whether it could be finalised, which is how one asks cuDNN if it supports something.
  bool try_finalize() noexcept;

  std::int64_t int64(cudnnBackendAttributeName_t name) const;
  /// The numerical notes of an engine.
  std::vector<cudnnBackendNumericalNote_t> notes() const;
  /// The engine configurations that a finalised heuristic suggests, best first.
  std::vector<CudnnDescriptor> suggestions() const;
  /// The engine of an engine configuration.
  CudnnDescriptor engine() const;

  cudnnBackendDescriptor_t get() const { return handle_.get(); }

 private:
  CudnnDescriptor& set_raw(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                           std::int64_t count, const void* values);
  void check(cudnnStatus_t status, const char* call) const;

  const CudnnFunctions* functions_;
  std::unique_ptr<void, decltype(cudnnBackendDestroyDescriptor)*> handle_;
};

/// Throws CudaError naming `call`, with cuDNN's reason, unless `status` is success.
void check_cudnn(const CudnnFunctions& functions, cudnnStatus_t status, const char* call);

}  // namespace switchyard::kernels
