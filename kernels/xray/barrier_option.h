#pragma once

#include <cstdint>

namespace switchyard::kernels::xray {

/// Instruction::option of a barrier: only waiting, only arriving, or waiting with a vote.
enum class BarrierOption : std::uint8_t { kSync, kArrive, kCount, kAnd, kOr };

/// Instruction::count of a barrier that whole warps must reach together.
inline constexpr std::uint8_t kAlignedBarrier = 2;

}  // namespace switchyard::kernels::xray
