#include "kernels/workbench/families.h"

namespace switchyard::kernels::workbench {

const std::vector<Family>& kernel_families() {
  static const std::vector<Family> families = {matmul_family(), softmax_family()};
  return families;
}

}  // namespace switchyard::kernels::workbench
