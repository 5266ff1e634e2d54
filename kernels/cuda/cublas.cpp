#include "kernels/cuda/cublas.h"

#include <fmt/format.h>

#include <type_traits>

#include "kernels/api/device.h"
#include "kernels/common/matmul_addend.h"
#include "kernels/common/shared_library.h"
#include "kernels/cuda/gemm_call.h"
#include "kernels/cuda/library_calls.h"
#include "kernels/cuda/matmul_library.h"
#include "kernels/cuda/parts.h"

namespace switchyard::kernels {
namespace {

CublasFunctions load_cublas() {
  require_library_calls("cuBLAS");
  const std::string file = fmt::format("libcublas.so.{}", CUBLAS_VER_MAJOR);
  const SharedLibrary library("cuBLAS", {file, SWITCHYARD_CUBLAS_DIR "/" + file});
  CublasFunctions f{};
  library.load(f.create, "cublasCreate_v2");
  library.load(f.destroy, "cublasDestroy_v2");
  library.load(f.set_stream, "cublasSetStream_v2");
  library.load(f.set_math_mode, "cublasSetMathMode");
  library.load(f.set_atomics_mode, "cublasSetAtomicsMode");
  library.load(f.sgemm, "cublasSgemm_v2_64");
  library.load(f.dgemm, "cublasDgemm_v2_64");
  library.load(f.status_text, "cublasGetStatusString");
  return f;
}

}  // namespace

const CublasFunctions& cublas_functions() {
  static const CublasFunctions functions = load_cublas();
  return functions;
}

Cublas::Cublas(const CublasFunctions& functions, cudaStream_t stream)
    : functions_(functions), handle_(nullptr, functions.destroy) {
  cublasHandle_t handle = nullptr;
  check(functions_.create(&handle), "cublasCreate");
  handle_.reset(handle);
  check(functions_.set_stream(handle, stream), "cublasSetStream");
  check(functions_.set_math_mode(handle, CUBLAS_DEFAULT_MATH), "cublasSetMathMode");
  check(functions_.set_atomics_mode(handle, CUBLAS_ATOMICS_NOT_ALLOWED), "cublasSetAtomicsMode");
}

void Cublas::check(cublasStatus_t status, const char* call) const {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw CudaError(fmt::format("[matmul] {}: {}", call, functions_.status_text(status)));
}

template <class T>
void Cublas::matmul(const MatmulShape& shape, const T* a, const T* b, T* c, bool accumulate) {
  const GemmCall call = column_major(shape);
  const auto operation = [](bool transpose) { return transpose ? CUBLAS_OP_T : CUBLAS_OP_N; };
  const T one{1};
  const T of_c{accumulate ? T{1} : T{0}};
  const auto gemm = [&] {
    if constexpr (std::is_same_v<T, float>) {
      return functions_.sgemm;
    } else {
      return functions_.dgemm;
    }
  }();
  check(gemm(handle_.get(), operation(call.transpose_x), operation(call.transpose_y), call.rows,
             call.cols, call.depth, &one, b, call.ld_x, a, call.ld_y, &of_c, c, call.ld_c),
        std::is_same_v<T, float> ? "cublasSgemm" : "cublasDgemm");
}

template void Cublas::matmul(const MatmulShape&, const float*, const float*, float*, bool);
template void Cublas::matmul(const MatmulShape&, const double*, const double*, double*, bool);

template <class T>
void matmul_cublas(Cuda& cuda, const Matmul<T>& a) {
  const MatmulShape& shape = a.shape;
  if (shape.m == 0 || shape.n == 0) return;
  const bool accumulate = addend_in_place(cuda, a);
  if (shape.k == 0) {
    if (accumulate) return;
    clear(cuda, a.c, static_cast<std::size_t>(shape.m * shape.n) * sizeof(T));
    return;
  }
  auto& cublas = cuda.parts->cublas;
  if (cublas == nullptr) cublas = std::make_unique<Cublas>(cublas_functions(), cuda.stream);
  cublas->matmul(shape, a.a, a.b, a.c, accumulate);
}
template void matmul_cublas(Cuda&, const Matmul<float>&);
template void matmul_cublas(Cuda&, const Matmul<double>&);

}  // namespace switchyard::kernels
