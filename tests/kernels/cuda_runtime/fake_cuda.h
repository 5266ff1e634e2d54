#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "kernels/xray/runtime/host_runtime.h"

// Takes the place of the CUDA runtime in a test program, so that what the engine does around it
// runs without a GPU: the runtime on the host, which notes every call and fails where it is told
// to.

namespace switchyard::test {

class FakeCuda : public kernels::xray::HostRuntime {
 public:
  FakeCuda() { gpu_name = "Fake GPU"; }
  static FakeCuda& instance();

  /// Restores the state after the start of the process; on_launch stays.
  void reset();

  /// Called for each launch, whose kernel does not run. Without it no kernel is known.
  std::function<void(const kernels::xray::CompiledKernel&)> on_launch;

  /// The named call fails this way once.
  std::map<std::string, cudaError_t> fail_once;

  std::vector<std::string> calls;  ///< names, in order
  int count(const std::string& call) const;

  cudaError_t enter(const char* call) override;
  cudaError_t launch(const kernels::xray::CompiledKernel& kernel, dim3 grid, dim3 block,
                     void** arguments, std::size_t shared_bytes) override;
};

}  // namespace switchyard::test
