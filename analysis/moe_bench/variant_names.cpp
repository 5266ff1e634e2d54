#include "analysis/moe_bench/variant_names.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "analysis/moe_bench/candidate.h"
#include "engine/core/check.h"

namespace switchyard::moe_bench {
namespace {

std::vector<kernels::RegisteredKernel> kernels_of(Device device, std::string_view prefix) {
  std::vector<kernels::RegisteredKernel> found;
  for (kernels::RegisteredKernel& kernel : kernels::registered_kernels()) {
    if (kernel.device == name(device) && kernel.kernel.starts_with(prefix)) {
      found.push_back(std::move(kernel));
    }
  }
  return found;
}

}  // namespace

std::string rung_name(std::string_view kernel, std::string_view technique) {
  return fmt::format("{}_{}", kernel, technique);
}

std::vector<std::string> techniques(Device device, std::string_view prefix) {
  std::vector<std::string> names;
  // The way there comes after the way back in the alphabet and has the fuller ladder: it leads.
  std::vector<kernels::RegisteredKernel> kernels = kernels_of(device, prefix);
  std::reverse(kernels.begin(), kernels.end());
  for (const kernels::RegisteredKernel& kernel : kernels) {
    for (const std::string_view rung : kernel.rungs) {
      const std::string begin = rung_name(kernel.kernel, "");
      if (!rung.starts_with(begin)) continue;
      std::string technique(rung.substr(begin.size()));
      if (std::find(names.begin(), names.end(), technique) == names.end()) {
        names.push_back(std::move(technique));
      }
    }
  }
  return names;
}

std::vector<kernels::RungOfKernel> rungs_of_technique(Device device, std::string_view prefix,
                                                      const std::string& technique) {
  std::vector<kernels::RungOfKernel> rungs;
  for (const kernels::RegisteredKernel& kernel : kernels_of(device, prefix)) {
    const std::string rung = rung_name(kernel.kernel, technique);
    if (std::find(kernel.rungs.begin(), kernel.rungs.end(), rung) != kernel.rungs.end()) {
      rungs.push_back({std::string(kernel.kernel), rung});
    }
  }
  return rungs;
}

std::vector<std::string> rungs_of_kernel(Device device, std::string_view kernel) {
  for (const kernels::RegisteredKernel& each : kernels_of(device, kernel)) {
    if (each.kernel == kernel) return {each.rungs.begin(), each.rungs.end()};
  }
  return {};
}

bool is_wanted(const std::vector<std::string>& variants, const std::string& variant) {
  return std::any_of(variants.begin(), variants.end(),
                     [&](const std::string& each) { return each == "all" || each == variant; });
}

void check_variants(const std::vector<std::string>& variants,
                    const std::vector<std::string>& known) {
  for (const std::string& each : variants) {
    const bool is_known =
        each == "all" || std::find(known.begin(), known.end(), each) != known.end();
    check<UsageError>(is_known, "--variant: no variant '{}', there are: all, {}", each,
                      [&] { return fmt::format("{}", fmt::join(known, ", ")); });
  }
}

}  // namespace switchyard::moe_bench
