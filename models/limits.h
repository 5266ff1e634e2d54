#pragma once

#include <cstdint>

namespace switchyard {

// Bounds what a configuration may ask for: far above any published model, low enough that no size
// that is computed of them overflows.
inline constexpr std::int64_t kMaxChannels = 1024;
inline constexpr std::int64_t kMaxClasses = 65'536;
inline constexpr std::int64_t kMaxWidth = 65'536;  ///< of the dense head, and of an expert
inline constexpr std::int64_t kMaxExperts = 4096;
inline constexpr std::int64_t kMaxCapacity = 1'000'000'000;

}  // namespace switchyard
