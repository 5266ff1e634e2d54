#pragma once

#include <vector>

#include "kernels/workbench/entry_point.h"

namespace switchyard::kernels::workbench {

/// A file NAME.cpp of families/ defines `Family NAME_family()`; the build finds it
/// (cmake/targets.cmake) and makes this function of them all, by name.
std::vector<Family> all_families();

}  // namespace switchyard::kernels::workbench
