#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>

#include "kernels/xray/xray.h"

namespace switchyard {

/// Adds to the JSON of a launch what its page shows beyond counts: to each line `ptx`, the
/// instructions that the compiler made of it, and `film` where the launch was filmed.
void add_xray_details(nlohmann::json& launch, const kernels::xray::LaunchReport& report);

/// The sources that the launches of an X-ray's document name, as far as they can be read (near
/// `ptx` too): a list of files, each with the parts around the lines that were counted.
nlohmann::json xray_sources(const nlohmann::json& document, const std::filesystem::path& ptx);

}  // namespace switchyard
