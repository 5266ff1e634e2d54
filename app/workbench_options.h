#pragma once

#include <string>
#include <vector>

#include "kernels/workbench/entry_point.h"

namespace switchyard {

/// An entry point with the family that it is of.
struct ChosenEntry {
  const kernels::workbench::Family* family;
  const kernels::workbench::EntryPoint* entry;
};

/// The entry points of a family, of "all" families, or the one of that name. Errors: UsageError
/// naming the families.
std::vector<ChosenEntry> choose_entries(const std::string& family_or_entry);

/// The device whose ladders a listing shows and a check uses unless told otherwise: the SIMT
/// executor where this program has it.
std::string usual_kernel_device();

}  // namespace switchyard
