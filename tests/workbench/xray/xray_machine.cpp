// Puts the X-ray's machine in the place of the GPU: the device cuda then works without one, and
// every rung that nvcc compiled is compared with its float64 reference as it would be on one, with
// the checker on.

#include <cstdlib>

#include "kernels/xray/runtime/machine.h"

namespace switchyard::kernels::xray {
namespace {

const bool kInUse = [] {
  Machine& machine = Machine::install();
  machine.options.check = true;
  const char* const orders = std::getenv("SWITCHYARD_XRAY_ORDERS");
  if (orders != nullptr) machine.orders = std::atoi(orders);
  machine.order_instructions = 1'000'000;  // long launches take two orders instead of all
  machine.multiprocessors = 7;  // few, so that small problems fill it and the large tiles are taken
  return true;
}();

}  // namespace
}  // namespace switchyard::kernels::xray
