#include "engine/ops/executor.h"

namespace switchyard {

kernels::Cpu& cpu_executor() {
  static kernels::Cpu executor;
  return executor;
}

}  // namespace switchyard
