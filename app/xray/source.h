#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace switchyard {

/// The lines of a source file as they stand there, without line ends; none where it cannot be read
/// or has more than 16 MiB. It is looked for where the compiler found it, then beside `ptx`.
std::vector<std::string> xray_source(const std::string& file, const std::filesystem::path& ptx);

/// `line` without the blanks at its ends.
std::string without_blanks(const std::string& line);

}  // namespace switchyard
