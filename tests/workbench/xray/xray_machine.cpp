// Puts the X-ray's machine in the place of the GPU: the device cuda then works without one, and
// every rung that nvcc compiled is compared with its float64 reference as it would be on one, with
// the checker on.

#include "kernels/xray/runtime/machine.h"

namespace switchyard::kernels::xray {
namespace {

const bool kInUse = [] {
  Machine& machine = Machine::install();
  machine.options.check = true;
  machine.multiprocessors = 7;  // few, so that small problems fill it and the large tiles are taken
  return true;
}();

}  // namespace
}  // namespace switchyard::kernels::xray
