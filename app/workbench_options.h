#pragma once

#include <string>
#include <vector>

#include "kernels/workbench/entry_point.h"

namespace switchyard {

/// An entry point and its family.
struct ChosenEntry {
  const kernels::workbench::Family* family;
  const kernels::workbench::EntryPoint* entry;
};

/// Returns the entry points of a family, of "all" families, or the one of that name. Errors:
/// UsageError naming the families and the nearest name.
std::vector<ChosenEntry> choose_entries(const std::string& family_or_entry);

/// Returns the device whose ladders a listing shows, and that a check uses unless told otherwise:
/// the SIMT executor where this program has it.
std::string usual_kernel_device();

}  // namespace switchyard
