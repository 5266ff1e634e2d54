#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace switchyard {

/// Makes the `machine` object of results.json and study.json. `threads` are those in use.
nlohmann::json describe_machine(const std::string& device, int threads);

/// Lists those instruction sets of this processor that matter here, named as Linux names them:
/// "avx2", "avx512f", "amx_bf16".
std::vector<std::string> instruction_sets();

/// "0.1.0 (1a2b3c4)".
std::string version_text();

}  // namespace switchyard
