#include "analysis/curvature/graph_memory.h"

#include "analysis/process_memory.h"

namespace switchyard {

bool GraphMemory::keep(std::size_t bytes) {
  if (bytes > limit_ - kept_) {
    ++refused_;
    return false;
  }
  kept_ += bytes;
  return true;
}

std::shared_ptr<GraphMemory> graph_memory_of_system(Device device) {
  constexpr std::size_t kUnknown = 2'000'000'000;
  const double available = device == Device::kCuda ? 0.0 : available_bytes();
  return std::make_shared<GraphMemory>(available > 0.0 ? static_cast<std::size_t>(available / 2.0)
                                                       : kUnknown);
}

}  // namespace switchyard
