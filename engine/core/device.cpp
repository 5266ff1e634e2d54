#include "engine/core/device.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "engine/core/check.h"

namespace switchyard {
namespace {

struct Entry {
  Device device;
  std::string_view name;
  std::string_view missing;  // why this build cannot offer it
};
constexpr std::array kEntries = {Entry{Device::kCpu, "cpu", ""},
                                 Entry{Device::kCuda, "cuda", "this build has no CUDA kernels"},
                                 Entry{Device::kSimt, "simt", "this build has no SIMT executor"}};

std::string available_names() {
  std::vector<std::string_view> names;
  for (Device device : available_devices()) names.push_back(name(device));
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

std::string_view name(Device device) { return kEntries[static_cast<std::size_t>(device)].name; }

std::vector<Device> available_devices() { return {Device::kCpu}; }

Device parse_device(std::string_view text) {
  const auto entry = std::find_if(kEntries.begin(), kEntries.end(),
                                  [&](const Entry& e) { return e.name == text; });
  check<UsageError>(entry != kEntries.end(), "unknown device '{}', available devices: {}", text,
                    available_names());
  const auto devices = available_devices();
  check<UsageError>(std::find(devices.begin(), devices.end(), entry->device) != devices.end(),
                    "device '{}' is not available: {}; available devices: {}", text, entry->missing,
                    available_names());
  return entry->device;
}

}  // namespace switchyard
