#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "kernels/xray/memory.h"
#include "kernels/xray/runtime/host_runtime.h"
#include "kernels/xray/runtime/recording.h"
#include "kernels/xray/xray.h"

namespace switchyard::kernels::xray {

/// A GPU on the host: the device cuda, whose kernels the X-ray runs from the PTX that nvcc left in
/// this program. Every access is checked against the blocks that the device has handed out.
class Machine : public HostRuntime {
 public:
  /// Puts the program's one machine in the place of the CUDA runtime (HostRuntime::use). Products
  /// by cuBLAS, which has no PTX here, are left to the next rung from then on.
  static Machine& install();

  LaunchOptions options;
  int orders = 0;  ///< hostile ones in which each launch is run besides (launch_in_orders)
  std::uint64_t order_instructions = ~std::uint64_t{0};  ///< at most for those of one launch

  /// Calls `program` and records, as the pass of that name, the launches and the traffic that it
  /// causes. Its waits are its own: this waits before it begins and after it has ended, uncounted.
  /// Errors: those of the program and of the kernels (Code::launch), after which take() has no use.
  void record(const std::string& name, const std::function<void()>& program);
  /// The same in two parts, for a program that calls back between them. begin() waits; end() does
  /// not, and so what the pass has launched may not have run yet.
  void begin(const std::string& name);
  void end();
  /// Hands over what was recorded so far and starts anew.
  Recording take();

  cudaError_t launch(const CompiledKernel& kernel, dim3 grid, dim3 block, void** arguments,
                     std::size_t shared_bytes) override;

 protected:
  void allocated(void* data, std::size_t bytes) override;
  void released(void* data) override;

 private:
  Machine();
  Code& code_of(const CompiledKernel& kernel);
  void forget_queue();

  bool is_recording_ = false;
  HostTraffic before_;  // the pass began
  Recording recording_;
  Memory memory_;
  std::map<const void*, std::unique_ptr<Code>> code_;  // by fat binary
};

}  // namespace switchyard::kernels::xray
