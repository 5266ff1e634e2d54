#include "kernels/workbench/families.h"

namespace switchyard::kernels::workbench {

const std::vector<Family>& kernel_families() {
  static const std::vector<Family> families = {
      conv2d_family(), matmul_family(),           grouped_matmul_family(), softmax_family(),
      norm_family(),   elementwise_family(),      reduction_family(),      pooling_family(),
      shape_family(),  random_family(),           optimizer_family(),      top_k_family(),
      gate_family(),   sort_assignments_family(), gather_family(),         dispatch_family()};
  return families;
}

}  // namespace switchyard::kernels::workbench
