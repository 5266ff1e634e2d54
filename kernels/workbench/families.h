#pragma once

#include "kernels/workbench/entry_point.h"

// One function per file of families/ that describes a family; families.cpp puts them in order.

namespace switchyard::kernels::workbench {

Family conv2d_family();
Family matmul_family();
Family grouped_matmul_family();
Family softmax_family();
Family norm_family();
Family elementwise_family();
Family reduction_family();
Family pooling_family();
Family shape_family();
Family random_family();
Family optimizer_family();
Family top_k_family();
Family gate_family();
Family sort_assignments_family();
Family gather_family();
Family dispatch_family();

}  // namespace switchyard::kernels::workbench
