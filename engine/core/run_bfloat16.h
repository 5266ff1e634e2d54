#pragma once

#include <string_view>

#include "engine/core/run.h"

namespace switchyard {

/// As run(operation, like, arguments), for a kernel that the CPU has for bfloat16 too, and no other
/// device: the caller sees to it that a bfloat16 `like` is on the CPU.
template <class MakeArguments>
void run_with_bfloat16_on_cpu(std::string_view operation, const Tensor& like,
                              const MakeArguments& arguments) {
  if (like.dtype() != DType::kBFloat16) return run(operation, like, arguments);
  check(like.device() == Device::kCpu, "[{}] has no bfloat16 kernel on device {}", operation,
        name(like.device()));
  kernels::run(cpu_executor(), arguments.template operator()<BFloat16>());
}

}  // namespace switchyard
