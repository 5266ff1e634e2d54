#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace switchyard::xray {

/// What changed between two documents of `switchyard xray`: for each run by name, and within it for
/// each kernel by its name, the measures that differ, as {"runs": [{"name", "change": "added" |
/// "removed" | "changed", "measures": {NAME: {"before", "now"}}, "kernels": [{"name",
/// "measures"}]}]}; runs without a change are left out. Errors: Error "WHERE: ..." for an older
/// document of another form.
nlohmann::json difference(const nlohmann::json& before, const nlohmann::json& now,
                          const std::string& where);
/// The same for people; one line where nothing changed.
std::string difference_text(const nlohmann::json& difference);

}  // namespace switchyard::xray
