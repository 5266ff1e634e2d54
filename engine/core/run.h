#pragma once

#include <string_view>

#include "engine/core/bfloat16.h"
#include "engine/core/on_device.h"
#include "engine/core/tensor.h"
#include "kernels/api/run.h"

// Leads from an operation to its kernel: this is the one place that turns a tensor's device and
// dtype into an executor and a C++ type.

namespace switchyard {

/// Runs a kernel on `device`. `operation` names who asks, for errors.
template <class Op>
void run(std::string_view operation, Device device, const Op& arguments) {
  using namespace kernels;
#ifdef SWITCHYARD_CUDA
  if (device == Device::kCuda) return kernels::run(default_executor<Cuda>(), arguments);
#endif
#ifdef SWITCHYARD_SIMT
  if (device == Device::kSimt) return kernels::run(default_executor<Simt>(), arguments);
#endif
  check_in_build(operation, device);
  kernels::run(cpu_executor(), arguments);
}

/// Runs the kernel that `arguments` returns: called as arguments.operator()<T>(), T the type of
/// `like`, float or double. Spelled out by device, so that only this function stands between an
/// operation and the kernels' door. Error naming `operation` for another dtype.
template <class MakeArguments>
void run(std::string_view operation, const Tensor& like,
         const MakeArguments& arguments) requires requires {
  arguments.template operator()<float>();
}
{
  using namespace kernels;
  const bool is_double = is_float64(operation, like.dtype());
  const Device device = like.device();
#ifdef SWITCHYARD_CUDA
  if (device == Device::kCuda) {
    Cuda& cuda = default_executor<Cuda>();
    if (is_double) return kernels::run(cuda, arguments.template operator()<double>());
    return kernels::run(cuda, arguments.template operator()<float>());
  }
#endif
#ifdef SWITCHYARD_SIMT
  if (device == Device::kSimt) {
    Simt& simt = default_executor<Simt>();
    if (is_double) return kernels::run(simt, arguments.template operator()<double>());
    return kernels::run(simt, arguments.template operator()<float>());
  }
#endif
  check_in_build(operation, device);
  if (is_double) return kernels::run(cpu_executor(), arguments.template operator()<double>());
  kernels::run(cpu_executor(), arguments.template operator()<float>());
}

/// The same for a kernel that exists for bfloat16 too: T = float, double or BFloat16.
template <class MakeArguments>
void run_with_bfloat16(std::string_view operation, const Tensor& like,
                       const MakeArguments& arguments) {
  if (like.dtype() != DType::kBFloat16) return run(operation, like, arguments);
  run(operation, like.device(), arguments.template operator()<BFloat16>());
}

}  // namespace switchyard
