#include "tests/training/gpu_step/fake_launches.h"

#include <cuda_runtime_api.h>
#include <cxxabi.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "kernels/cuda/parts.h"
#include "tests/kernels/cuda_runtime/fake_cuda.h"

namespace switchyard::test {
namespace {

/// The names of the kernels by the host functions that stand for them. Filled by initialisers of
/// the kernels' files, which may run before this file's.
std::map<const void*, std::string>& kernel_names() {
  static auto* const names = new std::map<const void*, std::string>;
  return *names;
}

/// "matmul_tile" of the mangled name of switchyard::kernels::(anonymous
/// namespace)::matmul_tile<...>.
std::string short_name(const char* mangled) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(mangled, nullptr, nullptr, &status), std::free);
  std::string name = status == 0 ? text.get() : mangled;
  const std::string hidden = "(anonymous namespace)::";
  if (const std::size_t at = name.find(hidden); at != std::string::npos) {
    name = name.substr(at + hidden.size());
  }
  name = name.substr(0, name.find_first_of("<("));
  const std::size_t scope = name.rfind("::");
  return scope == std::string::npos ? name : name.substr(scope + 2);
}

cudaError_t launched(const void* function) {
  FakeLaunches& launches = FakeLaunches::instance();
  const auto found = kernel_names().find(function);
  if (found == kernel_names().end()) return cudaErrorInvalidDeviceFunction;
  launches.note(found->second);
  return cudaSuccess;
}

template <class T>
cublasStatus_t count_product(cublasHandle_t, cublasOperation_t, cublasOperation_t, std::int64_t,
                             std::int64_t, std::int64_t, const T*, const T*, std::int64_t, const T*,
                             std::int64_t, const T*, T*, std::int64_t) {
  FakeLaunches::instance().note("cublas_gemm");
  return CUBLAS_STATUS_SUCCESS;
}

const kernels::CublasFunctions& counting_cublas() {
  static const kernels::CublasFunctions functions = {
      .create =
          [](cublasHandle_t* handle) {
            static int something;
            *handle = reinterpret_cast<cublasHandle_t>(&something);
            return CUBLAS_STATUS_SUCCESS;
          },
      .destroy = [](cublasHandle_t) { return CUBLAS_STATUS_SUCCESS; },
      .set_stream = [](cublasHandle_t, cudaStream_t) { return CUBLAS_STATUS_SUCCESS; },
      .set_math_mode = [](cublasHandle_t, cublasMath_t) { return CUBLAS_STATUS_SUCCESS; },
      .set_atomics_mode = [](cublasHandle_t, cublasAtomicsMode_t) { return CUBLAS_STATUS_SUCCESS; },
      .sgemm = count_product<float>,
      .dgemm = count_product<double>,
      .status_text = [](cublasStatus_t) { return "a status"; }};
  return functions;
}

}  // namespace

void FakeLaunches::note(const std::string& kernel) {
  ++by_kernel[kernel];
  FakeCuda& cuda = FakeCuda::instance();
  cuda.enqueue([&cuda, step = milliseconds] { cuda.milliseconds += step; });
}

FakeLaunches& FakeLaunches::instance() {
  static auto* const launches = new FakeLaunches;
  return *launches;
}

int FakeLaunches::count() const {
  int sum = 0;
  for (const auto& [name, count] : by_kernel) sum += count;
  return sum;
}

std::string FakeLaunches::table() const {
  std::vector<std::pair<int, std::string>> rows;
  for (const auto& [name, count] : by_kernel) rows.emplace_back(-count, name);
  std::sort(rows.begin(), rows.end());
  std::string text;
  for (const auto& [count, name] : rows) text += fmt::format("{:5}  {}\n", -count, name);
  return text;
}

void install_fake_cublas() {
  auto& cuda = kernels::default_executor<kernels::Cuda>();
  cuda.parts->cublas = std::make_unique<kernels::Cublas>(counting_cublas(), cuda.stream);
}

}  // namespace switchyard::test

// ---- the functions of the CUDA runtime that nvcc's code calls to register and launch kernels

extern "C" {

void** __cudaRegisterFatBinary(void*) {
  static void* handle = nullptr;
  return &handle;
}

void __cudaRegisterFatBinaryEnd(void**) {}

void __cudaUnregisterFatBinary(void**) {}

void __cudaRegisterFunction(void**, const char* host_function, char*, const char* device_name, int,
                            uint3*, uint3*, dim3*, dim3*, int*) {
  switchyard::test::kernel_names()[host_function] = switchyard::test::short_name(device_name);
}

cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3, dim3, void**, std::size_t, cudaStream_t) {
  return switchyard::test::launched(kernel);
}

cudaError_t cudaLaunchKernel(const void* function, dim3, dim3, void**, std::size_t, cudaStream_t) {
  return switchyard::test::launched(function);
}

}  // extern "C"
