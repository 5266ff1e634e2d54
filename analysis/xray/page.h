#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace switchyard::xray {

/// Bytes above which a page leaves out what only single lines show: films first, then PTX.
inline constexpr std::size_t kLargePage = std::size_t{8} << 20;

/// Returns the page of an X-ray: one HTML text that loads nothing. `document` is what
/// `switchyard xray --json` prints (docs/design/xray.md, "The document"), with `sources`. The page
/// says where it leaves something out.
std::string page(nlohmann::json document);

}  // namespace switchyard::xray
