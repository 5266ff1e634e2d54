#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/xray/xray.h"

// What was seen of a program on the X-ray's machine. No CUDA header is needed to read it.

namespace switchyard::kernels::xray {

/// Copies of one direction.
struct Copies {
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;

  void add(std::size_t more) {
    ++count;
    bytes += more;
  }
};

/// What a program has asked of the runtime since its start, launches apart.
struct HostTraffic {
  Copies allocations;
  Copies to_device;
  Copies to_host;
  Copies within_device;
  Copies sets;              ///< cudaMemset
  std::uint64_t waits = 0;  ///< of the host, for a stream or for an event that was not there yet
  std::size_t live_bytes = 0;
  std::size_t peak_bytes = 0;  ///< the most that were live at a time; the owner may lower it
};

/// What a program did on the machine between two moments, its launches apart.
struct Pass {
  std::string name;
  std::size_t first_launch = 0;  ///< number of its first launch in Recording::launches
  std::size_t launches = 0;
  HostTraffic traffic;  ///< of this pass alone; peak_bytes with what was live before it
};

struct Recording {
  std::vector<Pass> passes;
  std::vector<LaunchReport> launches;  ///< in the order of their launch
};

}  // namespace switchyard::kernels::xray
