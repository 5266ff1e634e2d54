#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "kernels/xray/finding.h"

namespace switchyard {

/// What a person reads of a checked launch: a line for each finding, or that there are none.
std::string findings_text(const std::vector<kernels::xray::Finding>& findings);
/// The same for machines: a list of objects with detector, kernel, file, line, place, block,
/// thread, array, index, byte, what, other (or null) and times.
nlohmann::json findings_json(const std::vector<kernels::xray::Finding>& findings);

}  // namespace switchyard
