#include "kernels/cuda/cudnn/descriptor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

#include "kernels/cuda/stream.h"

namespace switchyard::kernels {

void check_cudnn(const CudnnFunctions& functions, cudnnStatus_t status, const char* call) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  std::array<char, 512> reason{};
  functions.last_error(reason.data(), reason.size());
  std::string text = reason.data();
  std::replace(text.begin(), text.end(), '\n', ' ');
  throw CudaError(fmt::format("[conv2d] {}: {}{}{}", call, functions.status_text(status),
                              text.empty() ? "" : ": ", text));
}

CudnnDescriptor::CudnnDescriptor(const CudnnFunctions& functions, cudnnBackendDescriptorType_t type)
    : functions_(&functions), handle_(nullptr, functions.destroy_descriptor) {
  cudnnBackendDescriptor_t handle = nullptr;
  check(functions.create_descriptor(type, &handle), "cudnnBackendCreateDescriptor");
  handle_.reset(handle);
}

CudnnDescriptor& CudnnDescriptor::set(cudnnBackendAttributeName_t name,
                                      const CudnnDescriptor& other) {
  const cudnnBackendDescriptor_t handle = other.get();
  return set_raw(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &handle);
}

CudnnDescriptor& CudnnDescriptor::set(cudnnBackendAttributeName_t name, std::string_view text) {
  return set_raw(name, CUDNN_TYPE_CHAR, static_cast<std::int64_t>(text.size()), text.data());
}

CudnnDescriptor& CudnnDescriptor::set_raw(cudnnBackendAttributeName_t name,
                                          cudnnBackendAttributeType_t type, std::int64_t count,
                                          const void* values) {
  check(functions_->set_attribute(get(), name, type, count, values), "cudnnBackendSetAttribute");
  return *this;
}

void CudnnDescriptor::finalize() { check(functions_->finalize(get()), "cudnnBackendFinalize"); }

bool CudnnDescriptor::try_finalize() noexcept {
  return functions_->finalize(get()) == CUDNN_STATUS_SUCCESS;
}

std::int64_t CudnnDescriptor::int64(cudnnBackendAttributeName_t name) const {
  std::int64_t value = 0;
  std::int64_t count = 0;
  check(functions_->get_attribute(get(), name, CUDNN_TYPE_INT64, 1, &count, &value),
        "cudnnBackendGetAttribute");
  return value;
}

std::vector<cudnnBackendNumericalNote_t> CudnnDescriptor::notes() const {
  std::vector<cudnnBackendNumericalNote_t> notes(CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
  std::int64_t count = 0;
  check(
      functions_->get_attribute(get(), CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                static_cast<std::int64_t>(notes.size()), &count, notes.data()),
      "cudnnBackendGetAttribute");
  notes.resize(static_cast<std::size_t>(count));
  return notes;
}

std::vector<CudnnDescriptor> CudnnDescriptor::suggestions() const {
  std::int64_t count = 0;
  check(functions_->get_attribute(get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                  CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count, nullptr),
        "cudnnBackendGetAttribute");
  std::vector<CudnnDescriptor> results;
  std::vector<cudnnBackendDescriptor_t> handles;
  for (std::int64_t i = 0; i < count; ++i) {
    results.emplace_back(*functions_, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    handles.push_back(results.back().get());
  }
  check(functions_->get_attribute(get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                  CUDNN_TYPE_BACKEND_DESCRIPTOR, count, &count, handles.data()),
        "cudnnBackendGetAttribute");
  results.erase(results.begin() + count, results.end());
  return results;
}

CudnnDescriptor CudnnDescriptor::engine() const {
  CudnnDescriptor engine(*functions_, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t handle = engine.get();
  std::int64_t count = 0;
  check(functions_->get_attribute(get(), CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                  1, &count, &handle),
        "cudnnBackendGetAttribute");
  return engine;
}

void CudnnDescriptor::check(cudnnStatus_t status, const char* call) const {
  check_cudnn(*functions_, status, call);
}

}  // namespace switchyard::kernels
