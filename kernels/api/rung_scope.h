#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/api/registry.h"

namespace switchyard::kernels {

/// Names the rung that run() shall take for a kernel.
struct RungOfKernel {
  std::string kernel, rung;
};

/// Within its scope run() takes these rungs wherever they take the arguments, as if the user had
/// chosen them (registry.h); at its end the earlier choices hold again. For benchmarks and tests:
/// the choice holds for all threads.
class RungScope {
 public:
  /// Errors: those of choose_rung(); nothing is chosen then.
  RungScope(std::string_view device, const std::vector<RungOfKernel>& rungs);
  ~RungScope();
  RungScope(const RungScope&) = delete;
  RungScope& operator=(const RungScope&) = delete;

  /// Calls that ran one of the rungs since the scope began.
  std::uint64_t taken() const;

 private:
  struct Earlier {
    std::string kernel;
    std::optional<ChosenRung> choice;
  };
  void restore();

  std::string device_;
  std::vector<Earlier> earlier_;
};

}  // namespace switchyard::kernels
