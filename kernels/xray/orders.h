#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "kernels/xray/xray.h"

namespace switchyard::kernels::xray {

/// So many hostile schedules: reverse, then random ones with the seeds 1, 2 ...
std::vector<Schedule> hostile_schedules(int count);
/// "reverse", "random:3".
std::string text(const Schedule& schedule);

/// Runs a grid as Code::launch() does, then from the same memory once more in each of the
/// schedules, unchecked, and compares all of `memory`, which `code` uses. What differs becomes a
/// finding (Detector::kOrder): the first byte for each schedule. Memory ends as the first run left
/// it. A launch of so many warp instructions that all schedules together would exceed
/// `most_instructions` runs in fewer, the first two at least. Errors: those of Code::launch().
LaunchReport launch_in_orders(Code& code, Memory& memory, std::string_view kernel,
                              const LaunchShape& shape, const std::vector<std::byte>& parameters,
                              const LaunchOptions& options, const std::vector<Schedule>& schedules,
                              std::uint64_t most_instructions = ~std::uint64_t{0});

}  // namespace switchyard::kernels::xray
