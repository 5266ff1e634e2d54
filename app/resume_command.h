#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace switchyard {

/// The command line that continues what `subcommand` left in `directory`, for people to paste into
/// a shell: with the name by which this program was started, and quoted where that is necessary
/// (bash's $'...' for bytes that do not print).
std::string resume_command(std::string_view subcommand, const std::filesystem::path& directory);

}  // namespace switchyard
