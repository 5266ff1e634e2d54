#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "analysis/verdicts/model_groups.h"
#include "analysis/verdicts/verdict.h"

namespace switchyard {

/// Judges "naive conditional routing makes inference no faster" by `routing_gain` of `study`, as
/// read_study() returns it. It was timed once, so its intervals are of calls and not of seeds.
Verdict no_speed_up(const std::vector<ModelGroup>& groups, const nlohmann::json& study);

}  // namespace switchyard
