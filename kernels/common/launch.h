#pragma once

#include <tuple>
#include <utility>

#include "kernels/common/cuda.h"
#include "kernels/common/dim3.h"

// A program may hold both builds of the kernel files. A class that each defines in its own way
// lives in `inline namespace SWITCHYARD_EXECUTOR_BUILD`, so that the linker keeps them apart.
#ifdef __CUDACC__
#include "kernels/cuda/stream.h"
#define SWITCHYARD_EXECUTOR_BUILD cuda_build
#else
#include "kernels/simt/executor.h"
#define SWITCHYARD_EXECUTOR_BUILD simt_build
#endif

namespace switchyard::kernels {

#ifdef __CUDACC__
/// The executor that the launchers of kernels/cuda are instantiated for in this compilation.
using KernelExecutor = Cuda;

/// Enqueues `kernel` on the stream. Errors: std::invalid_argument for a launch over the device's
/// limits; CudaError naming the kernel.
template <class... Parameters, class... Arguments>
void launch(Cuda& cuda, const char* name, void (*kernel)(Parameters...), const LaunchShape& shape,
            Arguments&&... arguments) {
  check_launch(name, shape, cuda.limits);
  allow_dynamic_shared(name, reinterpret_cast<const void*>(kernel), shape.dynamic_shared_bytes);
  ++cuda.launches;
  kernel<<<dim3(shape.grid.x, shape.grid.y, shape.grid.z),
           dim3(shape.block.x, shape.block.y, shape.block.z), shape.dynamic_shared_bytes,
           cuda.stream>>>(static_cast<Parameters>(std::forward<Arguments>(arguments))...);
  check_cuda(cudaGetLastError(), name);
}
#else
using KernelExecutor = Simt;

/// Runs `kernel` on the host to its end. Errors: std::invalid_argument for a launch over the
/// limits; simt::KernelError.
template <class... Parameters, class... Arguments>
void launch(Simt& simt, const char* name, void (*kernel)(Parameters...), const LaunchShape& shape,
            Arguments&&... arguments) {
  ++simt.launches;
  const std::tuple<Parameters...> parameters(std::forward<Arguments>(arguments)...);
  simt::run_grid(simt, name, shape, [&] { std::apply(kernel, parameters); });
}
#endif

/// Blocks of `per_block` items that cover `count` of them.
constexpr unsigned blocks_for(std::int64_t count, std::int64_t per_block) {
  return static_cast<unsigned>((count + per_block - 1) / per_block);
}

}  // namespace switchyard::kernels
