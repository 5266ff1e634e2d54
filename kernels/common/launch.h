#pragma once

#include <cstdint>
#include <initializer_list>
#include <tuple>
#include <utility>

#include "kernels/common/cuda.h"
#include "kernels/common/dim3.h"
#include "kernels/common/sizes.h"

// A program may hold both builds of the kernel files. A class that each defines in its own way
// lives in `inline namespace SWITCHYARD_EXECUTOR_BUILD`, so that the linker keeps them apart.
#ifdef __CUDACC__
#include "kernels/cuda/stream.h"
#define SWITCHYARD_EXECUTOR_BUILD cuda_build
#else
#include "kernels/simt/run_grid.h"
#define SWITCHYARD_EXECUTOR_BUILD simt_build
#endif

namespace switchyard::kernels {

/// Tiles of `tile` items that cover `extent` of them.
constexpr std::int64_t tiles_along(std::int64_t extent, std::int64_t tile) {
  return (extent + tile - 1) / tile;
}

/// Asks for a line of blocks, as many as the product of `blocks`, of `threads` each.
struct Line {
  std::initializer_list<std::int64_t> blocks;
  int threads;
};

inline const LaunchShape& launch_shape(const char* /*kernel*/, const LaunchShape& asked) {
  return asked;
}
/// Errors: Refusal naming the kernel for more blocks than a grid has.
inline LaunchShape launch_shape(const char* kernel, const Line& asked) {
  return {.grid = {static_cast<unsigned>(checked_extent(kernel, "blocks", asked.blocks))},
          .block = {static_cast<unsigned>(asked.threads)}};
}

#ifdef __CUDACC__
/// The executor that the launchers of kernels/cuda are instantiated for in this compilation.
using KernelExecutor = Cuda;

/// Enqueues `kernel` on the stream, with a LaunchShape or a Line of blocks; nothing where a line is
/// empty. Errors: Refusal, std::invalid_argument for a launch over the device's limits; CudaError
/// naming the kernel.
template <class Shape, class... Parameters, class... Arguments>
void launch(Cuda& cuda, const char* name, void (*kernel)(Parameters...), const Shape& asked,
            Arguments&&... arguments) {
  const LaunchShape shape = launch_shape(name, asked);
  if (shape.grid.x == 0) return;
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

/// Runs `kernel` on the host to its end, with a LaunchShape or a Line of blocks; nothing where a
/// line is empty. Errors: Refusal, std::invalid_argument for a launch over the limits;
/// simt::KernelError.
template <class Shape, class... Parameters, class... Arguments>
void launch(Simt& simt, const char* name, void (*kernel)(Parameters...), const Shape& asked,
            Arguments&&... arguments) {
  const LaunchShape shape = launch_shape(name, asked);
  if (shape.grid.x == 0) return;
  ++simt.launches;
  const std::tuple<Parameters...> parameters(std::forward<Arguments>(arguments)...);
  simt::run_grid(simt, name, shape, [&] { std::apply(kernel, parameters); });
}
#endif

}  // namespace switchyard::kernels
