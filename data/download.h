#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace switchyard {

/// Downloads `url` into `file`, which is `bytes` long in the end. Where the file is there already,
/// only what is missing of it is asked for; a server that cannot do that sends it all again.
///
/// `progress` may be empty; see FetchOptions. Errors in one line: no connection within 10 s, less
/// than 1 kB/s over 30 s, an HTTP status, a body of another length, a write that fails, another
/// process that downloads into the same file. What has arrived is kept, unless it is too long.
/// FetchStopped where `progress` returns false.
void download(const std::string& url, const std::filesystem::path& file, std::int64_t bytes,
              const std::function<bool(std::int64_t done, std::int64_t total)>& progress);

}  // namespace switchyard
