#pragma once

#include <cstddef>
#include <memory>

#include "engine/core/device.h"

namespace switchyard {

/// Counts the bytes of the gradient graphs that operators keep between products, against one limit
/// for all operators that share it. Not for several threads at once.
class GraphMemory {
 public:
  explicit GraphMemory(std::size_t limit_bytes) : limit_(limit_bytes) {}

  /// Counts a graph of so many bytes as kept and returns true where it fits below the limit.
  bool keep(std::size_t bytes);
  /// Gives bytes back that were kept.
  void release(std::size_t bytes) { kept_ -= bytes; }

  std::size_t limit() const { return limit_; }
  std::size_t kept() const { return kept_; }
  /// How often there was no room for a graph, so that it served one block of vectors alone.
  std::size_t refused() const { return refused_; }

 private:
  std::size_t limit_;
  std::size_t kept_ = 0;
  std::size_t refused_ = 0;
};

/// Half of what the system, or the process's control group, leaves to this process now: the rest is
/// for the products themselves and for others. 2 GB where that cannot be told, as on a GPU.
std::shared_ptr<GraphMemory> graph_memory_of_system(Device device);

}  // namespace switchyard
