#pragma once

#include <cstdint>

// Apart from profile.h, which every kernel's file includes through the door.

namespace switchyard::kernels {

/// Counts the calls that ended since start_profile(), so that whoever keeps events knows which of
/// them ran between two moments.
std::uint64_t profiled_calls();

}  // namespace switchyard::kernels
