#include <nvtx3/nvToolsExt.h>

#include <string>

#include "kernels/api/device.h"
#include "kernels/cuda/stream.h"

// The door to the kernels asks two things of a GPU: how many grids were launched, and NVTX ranges,
// which a profiler's timeline shows above the kernels. Without a profiler each call is a test of a
// pointer.

namespace switchyard::kernels {

template <>
std::uint64_t launch_count(const Cuda& cuda) {
  return cuda.launches;
}

template <>
void begin_range(Cuda& /*cuda*/, std::string_view name) {
  nvtxRangePushA(std::string(name).c_str());
}

template <>
void end_range(Cuda& /*cuda*/) noexcept {
  nvtxRangePop();
}

}  // namespace switchyard::kernels
