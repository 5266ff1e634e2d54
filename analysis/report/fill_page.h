#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace switchyard {

/// A page that loads nothing from anywhere: `page` with every {{name}} replaced by its part. Three
/// parts are made here: {{head}}, which holds it to that; {{title}}, escaped as text; and {{data}},
/// JSON that cannot end its script element or start a tag, whatever its strings contain. Error
/// where a part is missing.
std::string fill_page(std::string_view page, std::string_view title, const nlohmann::json& data,
                      std::map<std::string_view, std::string_view> parts);

}  // namespace switchyard
