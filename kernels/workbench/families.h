#pragma once

#include "kernels/workbench/entry_point.h"

// One function per file of families/ that describes a family; families.cpp puts them in order.

namespace switchyard::kernels::workbench {

Family matmul_family();
Family softmax_family();

}  // namespace switchyard::kernels::workbench
