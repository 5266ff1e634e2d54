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

const bool kCounted = [] {
  FakeCuda::instance().on_launch = [](const kernels::xray::CompiledKernel& kernel) {
    FakeLaunches::instance().note(short_name(kernel.name));
  };
  return true;
}();

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
