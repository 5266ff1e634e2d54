#include "analysis/process_memory.h"

#include <malloc.h>

#include <fstream>
#include <string>

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

}  // namespace

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
