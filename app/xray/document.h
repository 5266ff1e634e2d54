#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "app/xray/run.h"

namespace switchyard {

/// The run's entry in the ladder of the document (docs/design/xray.md), bounds left out. `ptx` is
/// the file that the kernels are of, beside which sources are looked for; empty: this program.
nlohmann::json run_json(const XrayRun& run, const std::filesystem::path& ptx = {});

/// The document of `switchyard xray`, with the field `target` as it is given.
nlohmann::json xray_document(nlohmann::json target, bool checked, nlohmann::json ladder);

}  // namespace switchyard
