#include "app/xray/machine.h"

#include "engine/core/check.h"
#ifdef SWITCHYARD_CUDA
#include "kernels/xray/runtime/machine.h"
#endif

namespace switchyard {

#ifdef SWITCHYARD_CUDA

using kernels::xray::Machine;

XrayMachine::XrayMachine(const XrayMachineOptions& options) {
  Machine& machine = Machine::install();
  machine.options = options.launch;
  machine.orders = options.orders;
  if (options.multiprocessors > 0) machine.multiprocessors = options.multiprocessors;
  if (options.cache_bytes > 0) machine.cache_bytes = static_cast<int>(options.cache_bytes);
}

void XrayMachine::record(const std::string& pass, const std::function<void()>& program) {
  Machine::install().record(pass, program);
}
void XrayMachine::begin(const std::string& pass) { Machine::install().begin(pass); }
void XrayMachine::end() { Machine::install().end(); }
kernels::xray::Recording XrayMachine::take() { return Machine::install().take(); }

#else

XrayMachine::XrayMachine(const XrayMachineOptions& /*options*/) {
  throw Error(
      "xray: this program was built without nvcc and holds no compiled kernels; it takes FILE.ptx");
}
void XrayMachine::record(const std::string& /*pass*/, const std::function<void()>& /*program*/) {}
void XrayMachine::begin(const std::string& /*pass*/) {}
void XrayMachine::end() {}
kernels::xray::Recording XrayMachine::take() { return {}; }

#endif

}  // namespace switchyard
