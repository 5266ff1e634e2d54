#include "kernels/workbench/families.h"

namespace switchyard::kernels::workbench {

const std::vector<Family>& kernel_families() {
  static const std::vector<Family> families = all_families();
  return families;
}

}  // namespace switchyard::kernels::workbench
