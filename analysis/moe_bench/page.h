#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace switchyard::moe_bench {

/// A page about results in Google Benchmark's format (row.h), which loads nothing from anywhere:
/// time and bytes by tokens, experts, k and distribution, stages side by side, shares of the copy
/// and product rates, and where several tokens and experts were combined a map of where the naive
/// rung wins.
std::string bench_page(const nlohmann::json& results);

}  // namespace switchyard::moe_bench
