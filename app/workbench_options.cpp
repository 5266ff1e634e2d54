#include "app/workbench_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/core/check.h"
#include "engine/core/suggest.h"

namespace switchyard {

using namespace kernels::workbench;

std::vector<ChosenEntry> choose_entries(const std::string& family_or_entry) {
  std::vector<ChosenEntry> chosen;
  std::vector<std::string> families;
  std::vector<std::string> known;
  for (const Family& family : kernel_families()) {
    families.push_back(family.name);
    known.push_back(family.name);
    for (const EntryPoint& entry : family.entry_points) {
      known.push_back(entry.name);
      if (family_or_entry == family.name || family_or_entry == "all")
        chosen.push_back({&family, &entry});
    }
  }
  for (const Family& family : kernel_families()) {
    if (!chosen.empty()) break;  // the name of a family comes first
    for (const EntryPoint& entry : family.entry_points) {
      if (family_or_entry == entry.name) chosen.push_back({&family, &entry});
    }
  }
  check<UsageError>(!chosen.empty(),
                    "no kernel family or entry point '{}'{} (families: {}; 'switchyard kernels' "
                    "lists their entry points)",
                    family_or_entry, did_you_mean(family_or_entry, known),
                    fmt::join(families, ", "));
  return chosen;
}

std::string usual_kernel_device() {
  const std::vector<std::string> names = device_names();
  return std::find(names.begin(), names.end(), "simt") != names.end() ? "simt" : names.back();
}

}  // namespace switchyard
