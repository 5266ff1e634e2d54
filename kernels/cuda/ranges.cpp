#include <nvtx3/nvToolsExt.h>

#include <string>

#include "kernels/api/device.h"
#include "kernels/cuda/stream.h"

// NVTX ranges: what a profiler's timeline shows above the kernels. Without a profiler each call is
// a test of a pointer.

namespace switchyard::kernels {

template <>
void begin_range(Cuda& /*cuda*/, std::string_view name) {
  nvtxRangePushA(std::string(name).c_str());
}

template <>
void end_range(Cuda& /*cuda*/) noexcept {
  nvtxRangePop();
}

}  // namespace switchyard::kernels
