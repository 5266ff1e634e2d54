#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace switchyard {

/// Unpacks the .tar.gz `archive` into the existing directory `destination`. The archive may hold
/// the folder `folder` and in it regular files with the given `names`, each once and at most
/// `max_bytes` long, and nothing else: no other path, no link, no device.
///
/// Errors in one line naming the archive and the entry: an entry that is not allowed, a damaged or
/// truncated archive, one without files, a write that fails.
void unpack(const std::filesystem::path& archive, const std::string& folder,
            const std::vector<std::string>& names, std::int64_t max_bytes,
            const std::filesystem::path& destination);

}  // namespace switchyard
