#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "engine/core/check.h"
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

/// Runs `call`, and turns what it says of its arguments (std::invalid_argument) into bad usage of
/// `command`.
template <class Call>
auto as_usage(const char* command, const Call& call) {
  try {
    return call();
  } catch (const std::invalid_argument& error) {
    throw UsageError(fmt::format("{}: {}", command, error.what()));
  }
}

/// Returns the sizes NAME=VALUE in `texts` for every entry point that has them, the others at their
/// standard. Errors: UsageError beginning with `command` for a text of another form, a name that no
/// entry point has, a value out of range.
std::vector<kernels::workbench::Sizes> parse_sizes(const char* command,
                                                   const std::vector<ChosenEntry>& chosen,
                                                   const std::vector<std::string>& texts);

/// Sets the sizes NAME=VALUE in `texts`. Errors: as parse_sizes().
void set_sizes(const char* command, kernels::workbench::Sizes& sizes,
               const std::vector<std::string>& texts);

/// Returns the device whose ladders a listing shows, and that a check uses unless told otherwise:
/// the SIMT executor where this program has it.
std::string usual_kernel_device();

}  // namespace switchyard
