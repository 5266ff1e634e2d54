#include "kernels/cuda/gpus.h"

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include "kernels/api/device.h"
#include "kernels/api/host_waits.h"
#include "kernels/cuda/architectures.h"
#include "kernels/cuda/stream.h"

namespace switchyard::kernels {
namespace {

/// Says why cudaGetDeviceCount failed.
std::string no_gpu_reason(cudaError_t status, int driver_version, int runtime_version) {
  if (driver_version == 0) return "no NVIDIA driver (libcuda.so.1) on this machine";
  if (status == cudaErrorInsufficientDriver) {
    return fmt::format("the NVIDIA driver speaks CUDA {}, this build needs {}",
                       cuda_version_text(driver_version), cuda_version_text(runtime_version));
  }
  return fmt::format("no GPU: {}", cudaGetErrorString(status));
}

Gpu describe(int index) {
  Gpu gpu;
  gpu.index = index;
  cudaDeviceProp properties{};
  const cudaError_t status = cudaGetDeviceProperties(&properties, index);
  if (status != cudaSuccess) {
    gpu.unusable = fmt::format("cudaGetDeviceProperties: {}", cudaGetErrorString(status));
    static_cast<void>(cudaGetLastError());
    return gpu;
  }
  gpu.name = properties.name;
  gpu.major = properties.major;
  gpu.minor = properties.minor;
  gpu.memory_bytes = properties.totalGlobalMem;
  gpu.multiprocessors = properties.multiProcessorCount;
  gpu.unusable = unsupported_reason(compiled_architectures(), gpu.major, gpu.minor);
  return gpu;
}

}  // namespace

GpuSurvey survey_gpus() {
  GpuSurvey survey;
  // Both answer without a driver; neither makes a context.
  static_cast<void>(cudaDriverGetVersion(&survey.driver_version));
  static_cast<void>(cudaRuntimeGetVersion(&survey.runtime_version));
  int count = 0;
  cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaSuccess && count == 0) status = cudaErrorNoDevice;
  if (status != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    survey.reason = no_gpu_reason(status, survey.driver_version, survey.runtime_version);
    return survey;
  }
  for (int index = 0; index < count; ++index) survey.gpus.push_back(describe(index));
  return survey;
}

std::string unavailable_reason(const GpuSurvey& survey) {
  if (!survey.reason.empty()) return survey.reason;
  const Gpu& first = survey.gpus.front();
  if (first.unusable.empty()) return "";
  return fmt::format("GPU 0 ({}) cannot be used: {}", first.name, first.unusable);
}

std::string cuda_version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

std::string description(const Gpu& gpu) {
  return fmt::format("{}, {:.1f} GiB, compute capability {}.{}, {} multiprocessors", gpu.name,
                     static_cast<double>(gpu.memory_bytes) / (1 << 30), gpu.major, gpu.minor,
                     gpu.multiprocessors);
}

std::string_view compiled_architectures() { return SWITCHYARD_CUDA_ARCHITECTURES; }

template <>
std::string unavailable_reason<Cuda>() {
  static const std::string reason = unavailable_reason(survey_gpus());
  return reason;
}

template <>
Cuda& default_executor() {
  static Cuda* const executor = [] {
    const std::string reason = unavailable_reason<Cuda>();
    if (!reason.empty()) throw CudaError(fmt::format("device cuda is not available: {}", reason));
    return new Cuda(0);
  }();
  return *executor;
}

template <>
std::string device_description(Cuda& cuda) {
  return description(describe(cuda.device));
}

template <>
void synchronise(Cuda& cuda) {
  note_host_wait();
  check_cuda(cudaStreamSynchronize(cuda.stream), "cudaStreamSynchronize");
}

}  // namespace switchyard::kernels
