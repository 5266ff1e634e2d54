#pragma once

#include <cstdint>
#include <vector>

#include "kernels/xray/schedule.h"
#include "kernels/xray/warp.h"

namespace switchyard::kernels::xray {

/// Runs all blocks of a launch in ascending order on the host's threads. Returns the counts per
/// instruction. Errors: those of BlockRun, of the lowest block that fails.
std::vector<AccessCounts> run_in_parallel(const Launch& launch, std::uint64_t limit);

/// Runs blocks on one host thread, in an order that depends on nothing but the arguments: these, or
/// all if there are none. Blocks start in ascending order. Usually one runs to its end before the
/// next one starts; one that goes on for long, because it may wait for a later one, gets company. A
/// hostile schedule has 16 of them under way. Where the launch is checked, what ends it becomes the
/// last finding, and what was counted until then is returned.
std::vector<AccessCounts> run_in_order(const Launch& launch, std::uint64_t limit,
                                       const Schedule& schedule,
                                       const std::vector<std::uint64_t>& blocks);

}  // namespace switchyard::kernels::xray
