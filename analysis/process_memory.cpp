#include "analysis/process_memory.h"

#include <malloc.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <string>
#include <utility>

#include "engine/core/memory.h"

namespace switchyard {
namespace {

/// A field such as "VmHWM:   1234 kB" of /proc/self/status, in bytes.
std::int64_t status_bytes(const std::string& field) {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    std::int64_t kibibytes = 0;
    if (word == field && status >> kibibytes) return kibibytes * 1024;
  }
  return 0;
}

/// The number at the beginning of a file; nothing where there is none ("max").
std::optional<double> number_in(const std::string& path) {
  std::ifstream file(path);
  double number = 0.0;
  if (file >> number) return number;
  return std::nullopt;
}

}  // namespace

double available_bytes() {
  double least = 0.0;
  std::ifstream system("/proc/meminfo");
  for (std::string word; system >> word;) {
    double kibibytes = 0.0;
    if (word == "MemAvailable:" && system >> kibibytes) least = kibibytes * 1024.0;
  }
  const std::string group = "/sys/fs/cgroup/";
  for (const auto& [most, used] : {std::pair(group + "memory.max", group + "memory.current"),
                                   std::pair(group + "memory/memory.limit_in_bytes",
                                             group + "memory/memory.usage_in_bytes")}) {
    const auto limit = number_in(most);
    const auto taken = number_in(used);
    if (!limit || !taken) continue;
    const double left = std::max(*limit - *taken, 1.0);
    least = least > 0.0 ? std::min(least, left) : left;
  }
  return least;
}

std::int64_t resident_bytes() { return status_bytes("VmRSS:"); }

std::int64_t peak_resident_bytes() { return status_bytes("VmHWM:"); }

bool reset_peak_resident_bytes() {
  release_cached_memory(Device::kCpu);
  malloc_trim(0);
  std::ofstream clear("/proc/self/clear_refs");
  clear << "5" << std::flush;  // proc(5): resets the peak to the present value
  return clear.good();
}

}  // namespace switchyard
