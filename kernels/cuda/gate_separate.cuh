#pragma once

#include "kernels/api/gate.h"
#include "kernels/common/launch.h"

namespace switchyard::kernels {

/// The gate out of other families' kernels (gate_separate.cu): the naive rung of its ladder.
template <class T>
void gate_separate_kernels(KernelExecutor& exec, const Gate<T>& a);

}  // namespace switchyard::kernels
