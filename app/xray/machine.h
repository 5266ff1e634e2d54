#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "kernels/xray/runtime/recording.h"

namespace switchyard {

struct XrayMachineOptions {
  kernels::xray::LaunchOptions launch;
  int orders = 0;           ///< further ones of each launch, whose results are compared
  int multiprocessors = 0;  ///< 0: the machine's own, an H100's
  std::uint64_t cache_bytes = 0;
};

/// The X-ray's machine as the device cuda of this process (kernels/xray/runtime/machine.h), for
/// builds with and without nvcc.
class XrayMachine {
 public:
  /// Puts it in the place of the CUDA runtime, for good. Errors: Error where this program was built
  /// without nvcc and so holds no compiled kernels.
  explicit XrayMachine(const XrayMachineOptions& options);

  /// Calls `program` and records what it does as a pass. Errors: those of the kernels.
  void record(const std::string& pass, const std::function<void()>& program);
  /// The same in two parts, which a program calls back from.
  void begin(const std::string& pass);
  void end();
  kernels::xray::Recording take();
};

}  // namespace switchyard
