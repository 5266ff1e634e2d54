#include "engine/core/fault.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <vector>

#include "engine/core/on_device.h"

namespace switchyard {
namespace {

struct Fault {
  std::string_view operation, text;
  std::int64_t detail = 0;
  bool operator==(const Fault&) const = default;
};

/// The faults that operations have asked for; a fault's code is its place.
class Faults {
 public:
  static Faults& instance() {
    static auto* const faults = new Faults;  // never destroyed: operations may run at exit
    return *faults;
  }

  kernels::LowestNumber code_of(const Fault& fault) {
    const std::lock_guard lock(mutex_);
    const auto found = std::find(faults_.begin(), faults_.end(), fault);
    const auto code = static_cast<kernels::LowestNumber>(found - faults_.begin());
    if (found == faults_.end()) faults_.push_back(fault);
    return code;
  }
  Fault of_code(kernels::LowestNumber code) {
    const std::lock_guard lock(mutex_);
    return faults_.at(code);
  }

 private:
  std::mutex mutex_;
  std::vector<Fault> faults_;
};

}  // namespace

kernels::FaultReport fault_report(Device device, std::string_view operation, std::string_view text,
                                  std::int64_t detail) {
  return {on_device(device, operation, [](auto& exec) { return kernels::fault_word(exec); }),
          Faults::instance().code_of({operation, text, detail})};
}

const kernels::LowestNumber* fault_word(Device device) {
  return on_device(device, "fault_word", [](auto& exec) { return kernels::fault_word(exec); });
}

void raise_fault(Device device) {
  if (device == Device::kCpu) read_memory(device, {});
}

void read_memory(Device device, std::span<const kernels::HostCopy> copies) {
  const kernels::LowestNumber word =
      on_device(device, "copy", [&](auto& exec) { return kernels::read_back(exec, copies); });
  if (word == kernels::kNoFault) return;
  const Fault fault = Faults::instance().of_code(kernels::code_of_fault(word));
  throw Error(fmt::format(
      "[{}] {}", fault.operation,
      fmt::format(fmt::runtime(fault.text), kernels::row_of_fault(word), fault.detail)));
}

}  // namespace switchyard
