#pragma once

#include <cstdint>
#include <filesystem>

namespace switchyard {

/// Error naming both numbers where the file system of `directory` has fewer than `bytes` left for
/// this user. A quota is not seen, nor what other programs will write.
void check_disk_space(const std::filesystem::path& directory, std::uintmax_t bytes);

}  // namespace switchyard
