#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace switchyard {

/// What a person reads of a document of `switchyard xray` (docs/design/xray.md): the rungs of each
/// problem side by side; of a run alone also its passes, its kernels and its `lines` worst lines.
std::string document_text(const nlohmann::json& document, std::size_t lines);

}  // namespace switchyard
