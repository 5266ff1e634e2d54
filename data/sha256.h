#pragma once

#include <filesystem>
#include <string>

namespace switchyard {

/// SHA-256 of a file's bytes as 64 lower-case hexadecimal digits (FIPS 180-4). Error naming the
/// file where it cannot be read.
std::string sha256_of_file(const std::filesystem::path& path);

}  // namespace switchyard
