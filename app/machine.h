#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace switchyard {

/// The `machine` object of results.json and study.json. `threads` are those in use.
nlohmann::json describe_machine(const std::string& device, int threads);

/// "0.1.0 (1a2b3c4)".
std::string version_text();

}  // namespace switchyard
