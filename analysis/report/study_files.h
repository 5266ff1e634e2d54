#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>

namespace switchyard {

/// Reads and checks all files that docs/design/results.md describes. Returns
/// `{"study": study.json, "runs": [{"name", "config", "metrics": [epoch...], "results"}]}`, the
/// data of the report. `directory` may also be a single run: "study" then has its title, data set
/// and machine only. Throws Error naming file and field where one is missing, unreadable or of the
/// wrong type or length.
nlohmann::json read_study(const std::filesystem::path& directory);

}  // namespace switchyard
