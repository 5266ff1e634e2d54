#pragma once

#include <cstdint>

// This stands apart from profile.h because every kernel's file includes that through the door.

namespace switchyard::kernels {

/// Counts the calls that ended since start_profile(), so that whoever keeps events knows which of
/// them ran between two moments.
std::uint64_t profiled_calls();

}  // namespace switchyard::kernels
